import { describe, expect, test } from "vitest";
import type { Arrangement, Choice, Item, Scene, Size } from "./arrangement";
import { arrange } from "./arrangement";

const DESK: Size = { width: 1260, height: 690 };
const PHONE: Size = { width: 340, height: 640 };
const TINY: Size = { width: 300, height: 160 };
const CHOICE: Choice = { mode: "grid", pinned: null, page: 0, hidesSelf: false };

const people = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${index + 1}`);
const scene = (others: readonly string[], more: Partial<Scene> = {}): Scene => ({ self: "me", others, screens: [], sharesScreen: false, speaker: null, ...more });
const person = (id: string): Item => ({ kind: "person", id });
const screen = (id: string): Item => ({ kind: "screen", id });

/** The large item in brackets, a screen with a star, then the rest of the page. */
function words({ tiles, page, pages }: Arrangement): string {
  const name = ({ kind, id }: Item): string => (kind === "screen" ? `*${id}` : id);
  const all = tiles.map(({ item, isLarge }) => (isLarge ? `[${name(item)}]` : name(item)));
  return [...all, ...(pages > 1 ? [`${page + 1}/${pages}`] : [])].join(" ");
}

describe("the stage shows", () => {
  const ab = ["a", "b"];
  test.each<[string, Partial<Choice>, Scene, string]>([
    ["oneself where one is alone", {}, scene([]), "me"],
    ["nobody before the room is known", {}, scene([], { self: null }), ""],
    ["everybody in a grid, oneself last", {}, scene(ab), "a b me"],
    ["the others alone, on request", { hidesSelf: true }, scene(ab), "a b"],
    ["oneself in spite of that where one is alone", { hidesSelf: true }, scene([]), "me"],
    ["the speaker large, in speaker view", { mode: "speaker" }, scene(ab, { speaker: "b" }), "[b] a me"],
    ["the first one large, before anybody spoke", { mode: "speaker" }, scene(ab), "[a] b me"],
    ["the first one large, after the speaker left", { mode: "speaker" }, scene(ab, { speaker: "c" }), "[a] b me"],
    ["nobody large where one is alone", { mode: "speaker" }, scene([]), "me"],
    ["the pinned person, not the speaker", { mode: "speaker", pinned: person("a") }, scene(ab, { speaker: "b" }), "[a] b me"],
    ["the pinned person, in the grid view too", { pinned: person("b") }, scene(ab), "[b] a me"],
    ["oneself large, if pinned", { pinned: person("me") }, scene(ab), "[me] a b"],
    ["the grid again after the pinned person left", { pinned: person("c") }, scene(ab), "a b me"],
    ["the latest screen, and the other screens beside it", {}, scene(ab, { screens: ["b", "a"] }), "[*b] *a a b me"],
    ["the chosen screen, also after a later one began", { pinned: screen("a") }, scene(ab, { screens: ["b", "a"] }), "[*a] *b a b me"],
    ["the latest screen after the chosen one ended", { pinned: screen("a") }, scene(ab, { screens: ["b"] }), "[*b] a b me"],
    ["the pinned person before a screen, which stays beside", { pinned: person("a") }, scene(ab, { screens: ["b"] }), "[a] *b b me"],
    ["a screen before the speaker", { mode: "speaker" }, scene(ab, { screens: ["b"], speaker: "a" }), "[*b] a b me"],
    ["the own screen if there is no other", {}, scene(ab, { sharesScreen: true }), "[*me] a b me"],
    ["the other's screen rather than the own", {}, scene(ab, { sharesScreen: true, screens: ["a"] }), "[*a] a b me"],
  ])("%s", (_, choice, of, expected) => {
    expect(words(arrange({ ...CHOICE, ...choice }, of, DESK))).toBe(expected);
  });
});

describe("pages", () => {
  test.each<[string, Size, number, Partial<Choice>, string]>([
    ["a desk has room for twenty-four", DESK, 23, {}, [...people(23), "me"].join(" ")],
    ["oneself stays on the first page", DESK, 25, {}, [...people(23), "me", "1/2"].join(" ")],
    ["the second page has the rest", DESK, 25, { page: 1 }, "p24 p25 2/2"],
    ["a page that is gone is the last one", DESK, 25, { page: 7 }, "p24 p25 2/2"],
    ["a phone has room for eight", PHONE, 8, {}, [...people(7), "me", "1/2"].join(" ")],
    ["a desk at 400 % has room for two", TINY, 3, {}, "p1 me 1/2"],
    ["without oneself for two others", TINY, 3, { hidesSelf: true }, "p1 p2 1/2"],
    ["beside a large tile as many as fit", DESK, 9, { mode: "speaker" }, "[p1] p2 p3 p4 me 1/3"],
    ["the large one stays on every page", DESK, 9, { mode: "speaker", page: 2 }, "[p1] p9 3/3"],
    ["below a large tile on a phone", PHONE, 5, { mode: "speaker" }, "[p1] p2 p3 me 1/2"],
    ["a grid below a screen on a phone", PHONE, 7, { pinned: screen("p1") }, "[*p1] p1 p2 p3 p4 p5 me 1/2"],
    ["one beside a large tile where no more fit", { width: 300, height: 90 }, 2, { mode: "speaker" }, "[p1] p2 1/2"],
  ])("%s", (_, size, count, choice, expected) => {
    const screens = choice.pinned?.kind === "screen" ? [choice.pinned.id] : [];
    expect(words(arrange({ ...CHOICE, ...choice }, scene(people(count), { screens }), size))).toBe(expected);
  });

  test("everybody is on exactly one page, in every view and at every size", () => {
    for (const size of [DESK, PHONE, TINY, { width: 200, height: 120 }, { width: 3800, height: 2000 }]) {
      for (const mode of ["grid", "speaker"] as const) {
        for (const count of [0, 1, 2, 3, 5, 9, 20, 60, 200]) {
          const all = scene(people(count), { screens: people(count).slice(0, 2) });
          const { pages } = arrange({ ...CHOICE, mode }, all, size);
          const seen = Array.from({ length: pages }, (_, page) => arrange({ ...CHOICE, mode, page }, all, size).tiles);
          const small = seen.flat().filter(({ isLarge }) => !isLarge).map(({ item }) => `${item.kind} ${item.id}`);
          expect(new Set(small).size).toBe(small.length);
          expect(small.filter((name) => name.startsWith("person"))).toHaveLength(count + 1);
        }
      }
    }
  });
});

test("no tile covers another one or leaves the stage, at any size", () => {
  for (const size of [DESK, PHONE, TINY, { width: 124, height: 72 }, { width: 3800, height: 2000 }]) {
    for (const choice of [CHOICE, { ...CHOICE, mode: "speaker" as const }]) {
      for (const count of [0, 1, 2, 4, 7, 12, 24, 60]) {
        const screens = people(Math.min(count, 1)).filter(() => choice.mode === "speaker" && count % 3 === 1);
        const rects = arrange(choice, scene(people(count), { screens }), size).tiles.map(({ rect }) => rect);
        for (const [index, { left, top, width, height }] of rects.entries()) {
          expect(Math.min(left, top)).toBeGreaterThanOrEqual(-0.5);
          expect(left + width).toBeLessThanOrEqual(size.width + 0.5);
          expect(top + height).toBeLessThanOrEqual(size.height + 0.5);
          const covered = rects.slice(index + 1).filter((other) => left < other.left + other.width && other.left < left + width && top < other.top + other.height && other.top < top + height);
          expect(covered).toEqual([]);
        }
      }
    }
  }
});

test("a stage without a size shows nothing yet", () => {
  expect(arrange(CHOICE, scene(people(3)), { width: 0, height: 0 })).toEqual({ tiles: [], page: 0, pages: 1, seats: 0 });
});

test("the seats are those of the others on the first page", () => {
  expect(arrange({ ...CHOICE, page: 1 }, scene(people(60)), DESK).seats).toBe(23);
  expect(arrange(CHOICE, scene(people(9), { screens: ["p1"] }), DESK).seats).toBe(3);
});
