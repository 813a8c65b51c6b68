import { describe, expect, test } from "vitest";
import { announce, layersOf, watched } from "./layers";

/** `q/4:150 …`: scaled down by 4, at 150 kbit/s. */
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

  test.each([
    [undefined, "q h f"],
    [["q", "f"], "q f"],
    [[], ""],
    [["x"], "q h f"],
  ])("%j is wanted", (wanted, expected) => {
    const left = watched(layersOf(720), wanted).filter(({ active }) => active);
    expect(left.map(({ rid }) => rid).join(" ")).toBe(expected);
  });

  test("a small capture never goes dark because its missing top layer is wanted", () => {
    expect(watched(layersOf(360), ["f"]).map(({ active }) => active)).toEqual([true, true, false]);
  });
});

describe("streams of layers in an offer", () => {
  const head = "v=0\r\nm=audio 9\r\na=mid:0\r\n";
  const camera = "m=video 9\r\na=mid:1\r\na=simulcast:send q;~h\r\n";
  const streams = new Map([
    ["h", { ssrc: 3, rtxSsrc: 4 }],
    ["q", { ssrc: 1, rtxSsrc: 2 }],
  ]);
  const fids = "a=ssrc-group:FID 1 2\r\na=ssrc-group:FID 3 4\r\n";

  test("they are in the order of the layers, in their section", () => {
    const screen = "m=video 9\r\na=mid:2\r\n";
    expect(announce(head + camera + screen, "1", streams)).toBe(head + camera + fids + screen);
  });

  test("nothing is announced by halves, or twice", () => {
    const [one] = streams;
    expect(announce(camera, "1", new Map(one === undefined ? [] : [one]))).toBe(camera);
    expect(announce(camera + fids, "1", streams)).toBe(camera + fids);
    expect(announce(head, "0", streams)).toBe(head);
  });
});
