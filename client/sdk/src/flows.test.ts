import { expect, test } from "vitest";
import { flows } from "./flows";
import type { Participant, Track } from "./snapshot";
import type { View } from "./state/model";

const MEDIA = {} as MediaStreamTrack;

/** `ada:mc`: microphone and camera of Ada; `s` is a screen, a capital letter is muted, `-` plays nowhere, `~` is away. */
function people(words: string): Participant[] {
  return words.split(" ").map((word) => {
    const [id = "", letters = ""] = word.replace("~", "").split(":");
    const track = (letter: string): Track => {
      const source = ({ m: "microphone", c: "camera", s: "screen" } as const)[letter.toLowerCase() as "m"];
      const kind = source === "microphone" ? "audio" : "video";
      const muted = letter !== letter.toLowerCase();
      return { id: `${id}${letter}`, kind, source, muted, paused: false, undecodable: false, limit: null, media: letters.endsWith("-") ? null : MEDIA };
    };
    const tracks = [...letters.replace("-", "")].map(track);
    return { id, tracks, connection: word.endsWith("~") ? "reconnecting" : "connected" } as unknown as Participant;
  });
}

const sized = (...participants: string[]): View => ({ participants, lines: {} });

test.each<[string, string, View | null, number, number]>([
  ["everybody with an open device", "ada:mc bob:c lin:m eve:MC", null, 3, 2],
  ["nobody who is away, and nothing that plays nowhere", "ada:mc~ bob:mc-", null, 0, 0],
  ["no camera outside a view with sizes, but the microphone", "ada:mc bob:c lin:m", sized("ada"), 2, 1],
  ["every screen", "ada:s bob:c", sized(), 1, 1],
  ["every camera, if the view has no sizes", "ada:c bob:c", { participants: ["ada"], lines: null }, 2, 2],
])("what should arrive: %s", (_, all, told, anything, pictures) => {
  expect(flows(people(all), told, ["audio", "video"])).toBe(anything);
  expect(flows(people(all), told, ["video"])).toBe(pictures);
});
