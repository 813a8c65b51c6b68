import { expect, test } from "vitest";
import type { Switching, SwitchingCommand, SwitchingEvent } from "./switching";
import { AT_NODE, RETURN_MS, TRY_MS, change } from "./switching";

function play(events: readonly (readonly [number, SwitchingEvent])[]): { state: Switching; words: string[] } {
  let state = AT_NODE;
  const words: string[] = [];
  for (const [nowMs, event] of events) {
    const [next, commands] = change(state, event, nowMs);
    state = next;
    words.push(...commands.map(wordOf));
  }
  return { state, words };
}

function wordOf(command: SwitchingCommand): string {
  switch (command.do) {
    case "open":
      return `open ${command.number}: ${command.others.map(({ id, polite }) => `${id}${polite ? " politely" : ""}`).join(", ")}`;
    case "close":
      return "close";
    case "report":
      return `report ${command.number} ${command.up ? "up" : "failed"}`;
    case "hold":
      return command.held ? "hold" : "send";
    case "show":
      return command.direct ? "show direct" : "show node";
  }
}

const info = (number: number, up: boolean, participants = ["ada", "bob"]): SwitchingEvent => ({
  on: "room",
  direct: { number, participants, up },
  self: "bob",
});
const gone: SwitchingEvent = { on: "room", direct: null, self: "bob" };
const live = (participant: string): SwitchingEvent => ({ on: "live", participant });
const DIRECT = [[0, info(1, false)], [1, live("ada")], [2, info(1, false)], [3, info(1, true)]] as const;

test("make before break: direct media is shown when it arrives, and the node gets none once everybody shows it", () => {
  expect(play(DIRECT).words).toEqual(["open 1: ada politely", "show direct", "report 1 up", "hold"]);
});

test("the way back: media goes to the node again first, and the direct media stays until the node's arrives", () => {
  const { state, words } = play([...DIRECT, [10, gone], [20, { on: "wake" }], [30, { on: "node_media" }]]);
  expect(words.slice(4)).toEqual(["send", "show node", "close"]);
  expect(state.at).toBe("node");
});

test("direct media that is kept too long is given up", () => {
  const waiting = [...DIRECT, [10, gone], [9 + RETURN_MS, { on: "wake" }]] as const;
  expect(play(waiting).words.slice(4)).toEqual(["send"]);
  expect(play([...waiting, [10 + RETURN_MS, { on: "wake" }]]).words.slice(4)).toEqual(["send", "show node", "close"]);
});

test("an attempt that does not succeed in time is reported, and so is a lost connection", () => {
  expect(play([[0, info(1, false)], [TRY_MS, { on: "wake" }]]).words).toEqual(["open 1: ada politely", "report 1 failed", "close"]);
  expect(play([...DIRECT, [10, { on: "lost" }]]).words.slice(4)).toEqual(["report 1 failed", "send", "show node", "close"]);
  // The same attempt is not tried again.
  expect(play([[0, info(1, false)], [1, { on: "lost" }], [2, info(1, false)]]).words).toEqual(["open 1: ada politely", "report 1 failed", "close"]);
});

test("of three, each waits for both others; the one named later is polite", () => {
  const three = ["ada", "bob", "eve"];
  const { words } = play([[0, info(4, false, three)], [1, live("eve")], [2, live("eve")], [3, live("ada")]]);
  expect(words).toEqual(["open 4: ada politely, eve", "show direct", "report 4 up"]);
});

test("another attempt ends the one before", () => {
  expect(play([[0, info(1, false)], [1, info(2, false)]]).words).toEqual(["open 1: ada politely", "close", "open 2: ada politely"]);
  const { words } = play([...DIRECT, [10, info(2, false)], [11, { on: "node_media" }], [12, info(2, false)]]);
  expect(words.slice(4)).toEqual(["send", "show node", "close", "open 2: ada politely"]);
});
