import type { Participant, Track } from "@rotunda/client";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { Avatar, DeviceSelect, QualityBars, initials, screensOf, trackOf, volumesOf } from "./index";
import { inOrderOfSharing } from "./tracks";

describe("components", () => {
  test.each([
    ["Ada Lovelace", "AL"],
    ["ada", "A"],
    ["  Ada   King  Lovelace ", "AL"],
    ["", ""],
    ["\u{1F600} x", "\u{1F600}X"],
    ["Ada (Berlin)", "AB"],
    ["\u201Eada\u201C \u2014", "A"],
    ["e\u0301lise", "E\u0301"],
    ["\u{1F469}\u200D\u{1F4BB} x", "\u{1F469}\u200D\u{1F4BB}X"],
    ["ßeta", "ß"],
  ])("%j has the initials %s", (name, expected) => {
    expect(initials(name)).toBe(expected);
  });

  test("initials are capital as the page's language has it", () => {
    expect(initials("istanbul", "tr")).toBe("\u0130");
    expect(initials("istanbul", "de")).toBe("I");
  });

  test("the same person always has the same colour, and says nothing to a screen reader", () => {
    const first = renderToStaticMarkup(<Avatar id="ada" name="Ada" />);
    expect(first).toBe(renderToStaticMarkup(<Avatar id="ada" name="Ada" />));
    expect(first).toContain('aria-hidden="true"');
    expect(first).not.toBe(renderToStaticMarkup(<Avatar id="bob" name="Ada" />));
  });

  test("quality has bars, and a name for those who do not see them", () => {
    const bars = renderToStaticMarkup(<QualityBars quality="fair" label="Fair connection" />);
    expect(bars.match(/opacity="1"/g)).toHaveLength(2);
    expect(bars).toContain('aria-label="Fair connection"');
    expect(renderToStaticMarkup(<QualityBars quality={null} label="" />)).toBe("");
  });

  test("a choice of devices names what has no label, and says where there is none", () => {
    const select = (ids: string[]): string =>
      renderToStaticMarkup(
        <DeviceSelect
          label="Camera"
          devices={ids.map((id) => ({ id, label: "" }))}
          value={ids[0] ?? null}
          noneLabel="None"
          offLabel="Off"
          onChoose={() => undefined}
        />,
      );
    expect(select(["a", "b"])).toContain("Camera 2");
    expect(select([])).toMatch(/disabled.*None/);
  });
});

describe("a participant's tracks", () => {
  const track = (source: Track["source"], muted = false): Track => ({ id: source, kind: "video", source, muted, paused: false, undecodable: false, limit: null, media: null });
  const person = (tracks: readonly Track[]): Participant => ({
    id: "ada",
    name: "Ada",
    isSelf: false,
    connection: "connected",
    speaking: false,
    grants: { publish: true, microphone: true, camera: true, screen: true, subscribe: true, chat: true, moderate: false, record: false, admit: false, hidden: false, metadata: false },
    role: "participant",
    attributes: {},
    bandwidth: {},
    hasHandUp: false,
    quality: null,
    tracks,
  });

  test("is found by its source", () => {
    expect(trackOf(person([track("camera")]), "camera")?.id).toBe("camera");
    expect(trackOf(person([track("camera")]), "screen")).toBeNull();
  });

  test("have the volume of their owner, in whatever slot they play", () => {
    const playing = (source: Track["source"], kind: Track["kind"], id: string): Track => ({ ...track(source), kind, media: { id } as MediaStreamTrack });
    const ada = person([playing("microphone", "audio", "slot 1"), playing("screen_audio", "audio", "slot 2"), playing("camera", "video", "slot 3"), track("microphone")]);
    const bob = { ...person([playing("microphone", "audio", "slot 4")]), id: "bob" };
    expect([...volumesOf([ada, bob], new Map([["ada", 0.25], ["eve", 0]]))]).toEqual([["slot 1", 0.25], ["slot 2", 0.25]]);
  });

  test("is a screen only while it is shown", () => {
    expect(screensOf([person([track("camera"), track("screen")]), person([track("screen", true)])])).toHaveLength(1);
  });

  test("the latest share comes last, not the latest joiner's", () => {
    expect(inOrderOfSharing(["late"], ["early", "late"])).toEqual(["late", "early"]);
    expect(inOrderOfSharing(["late", "early"], ["early"])).toEqual(["early"]);
    expect(inOrderOfSharing(["early"], ["early", "late"])).toEqual(["early", "late"]);
  });
});
