import { describe, expect, test } from "vitest";
import type { Event } from "../state";
import { connection } from "../state";
import { Client, JOINED, frame } from "./client.fixture";

describe("whatever the edge sends", () => {
  const nonsense: string[] = [
    "",
    "null",
    "[]",
    "{",
    '"joined"',
    "{}",
    '{"type":7}',
    '{"type":"never_heard_of"}',
    '{"type":"__proto__"}',
    '{"type":"toString"}',
    '{"type":"joined"}',
    '{"type":"joined","in_reply_to":1,"participant":"x","session":"s","resume_token":"r","answer":"a","roster":{}}',
    '{"type":"participant_joined","participant":null}',
    '{"type":"slots_changed","slots":[null]}',
    '{"type":"done","in_reply_to":"1"}',
    '{"type":"done","in_reply_to":99}',
    '{"type":"negotiated","in_reply_to":99,"session":"s","answer":"a","slots":[],"ice_servers":[]}',
  ];
  test.each(nonsense)("%s changes nothing", (text) => {
    const client = new Client().joined();
    const before = client.state;
    client.on({ on: "frame", text });
    expect({ ...client.state, deadlines: {} }).toEqual({ ...before, deadlines: {} });
    expect(client.does()).toEqual([]);
  });

  test("an error that answers nothing is reported", () => {
    const client = new Client().joined();
    client.frame({ type: "error", in_reply_to: null, code: "malformed_frame", message: "not JSON" });
    expect(client.commands).toContainEqual({
      do: "report",
      failure: { code: "malformed_frame", detail: "not JSON" },
    });
  });

  test("nothing happens any more after the end", () => {
    const client = new Client().joined();
    client.frame({ type: "removed", code: "kicked", reason: "spam" });
    client.does();
    const events: Event[] = [
      { on: "start" },
      { on: "socket_opened" },
      { on: "socket_closed", code: 1006 },
      frame(JOINED),
      { on: "network_changed" },
      { on: "transport_lost", why: "failed" },
      { on: "leave" },
      { on: "wake" },
    ];
    events.forEach((event) => client.on(event));
    expect(client.does()).toEqual([]);
    expect(connection(client.state)).toBe("ended");
  });
});
