import { expect, test } from "vitest";
import { MutedSpeech, QUIET_MS, SPEECH_LEVEL_MIN } from "./muted-speech";

const STEP_MS = 100;

/** Each letter is a tenth of a second: `#` is loud, `.` is not. Returns the times of the hints in milliseconds. */
function hints(sound: string): number[] {
  const speech = new MutedSpeech();
  const told: number[] = [];
  [...sound].forEach((letter, index) => {
    const level = letter === "#" ? SPEECH_LEVEL_MIN : SPEECH_LEVEL_MIN / 2;
    if (speech.take(level, index * STEP_MS)) {
      told.push(index * STEP_MS);
    }
  });
  return told;
}

test.each<[string, string, number[]]>([
  ["silence", ".".repeat(50), []],
  ["a cough", `..###${".".repeat(40)}`, []],
  ["several coughs with pauses", `..###${".".repeat(15)}###${".".repeat(15)}###`, []],
  ["a word of 700 ms", `..#######${".".repeat(40)}`, [800]],
  ["words with gaps", "..###..###..###", [1_200]],
  ["a speech is told once", "#".repeat(200), [700]],
  ["and again after half a minute", "#".repeat(320), [700, 700 + QUIET_MS]],
])("%s", (_, sound, expected) => {
  expect(hints(sound)).toEqual(expected);
});
