import { expect, test } from "vitest";
import type { Seating } from "./seating";
import { EMPTY, seat } from "./seating";

/** Each moment names the people in the room in capitals while they speak; the result is the order and the speaker. */
function play(seats: number, ...moments: string[]): string {
  const step = (before: Seating, moment: string): Seating => {
    const people = [...moment];
    const isSpeaking = (name: string): boolean => name !== name.toLowerCase();
    return seat(before, people.map((name) => name.toLowerCase()).sort(), people.filter(isSpeaking).map((name) => name.toLowerCase()), seats);
  };
  const { order, speaker } = moments.reduce(step, EMPTY);
  return `${order.join("")} ${speaker ?? "-"}`;
}

test.each([
  ["nobody", 3, [""], " -"],
  ["everybody has a seat in the order of joining", 3, ["abc"], "abc -"],
  ["a newcomer is the last, whatever the name", 3, ["bc", "abc"], "bca -"],
  ["who leaves makes room", 3, ["abcd", "acd"], "acd -"],
  ["a speaker in front stays in place", 3, ["abcd", "aBcd"], "abcd b"],
  ["a speaker from behind takes the seat of the last silent one", 3, ["abcd", "abcD"], "abdc d"],
  ["the next one takes the seat of somebody who never spoke", 3, ["abcde", "abcdE", "abcDe"], "adebc d"],
  ["then of the one who spoke the longest ago", 2, ["abcd", "Abcd", "aBcd", "abCd"], "cbad c"],
  ["nobody who speaks is replaced", 2, ["abc", "ABc", "ABC"], "abc a"],
  ["without any seat nobody moves", 0, ["abc", "abC"], "abc c"],
  ["a pause keeps the speaker", 3, ["abc", "aBc", "abc"], "abc b"],
  ["an interruption too", 3, ["abc", "aBc", "ABC"], "abc b"],
  ["the next speaker follows", 3, ["abc", "aBc", "abC"], "abc c"],
  ["the one before follows a speaker who left", 3, ["abc", "Abc", "aBc", "ac"], "ac a"],
])("%s", (_, seats, moments, expected) => {
  expect(play(seats, ...moments)).toBe(expected);
});

test("the large person needs no seat, and keeps the place in the order", () => {
  const before = seat(EMPTY, ["a", "b", "c", "d"], [], 2);
  expect(seat(before, before.order, ["c"], 2, "a").order.join("")).toBe("abcd");
  expect(seat(before, before.order, ["d"], 2, "a").order.join("")).toBe("abdc");
  expect(seat(before, before.order, ["d"], 2, "d").order.join("")).toBe("abcd");
});
