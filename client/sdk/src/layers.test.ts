import { describe, expect, test } from "vitest";
import { layersOf } from "./layers";

/** `q/4:150 …`: how much smaller, and how many kbit/s. */
function words(lines?: number): string {
  const layers = layersOf(lines).filter(({ active }) => active);
  return layers.map(({ rid, scaleResolutionDownBy, maxBitrate }) => `${rid}/${scaleResolutionDownBy}:${maxBitrate / 1_000}`).join(" ");
}

describe("layers of a camera", () => {
  test.each([
    [undefined, "q/4:150 h/2:510 f/1:1700"],
    [1_080, "q/4:310 h/2:1030 f/1:2500"],
    [720, "q/4:150 h/2:510 f/1:1700"],
    [540, "q/4:90 h/2:310 f/1:1030"],
    [480, "q/2:250 h/1:840"],
    [270, "q/2:90 h/1:310"],
    [240, "q/1:250"],
  ])("%s lines", (lines, expected) => {
    expect(words(lines)).toBe(expected);
  });

  test("there are always three, so that another camera needs no other offer", () => {
    expect(layersOf(120).map(({ rid }) => rid)).toEqual(["q", "h", "f"]);
  });
});
