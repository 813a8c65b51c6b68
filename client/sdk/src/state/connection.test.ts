import { describe, expect, test } from "vitest";
import { BACKOFF_BASE_MS, BACKOFF_MAX_MS } from "../backoff";
import type { ErrorCode } from "../protocol.gen";
import { PING, PING_INTERVAL_MS, PONG } from "../protocol.gen";
import { connection } from "../state";
import { Client, JOINED, offerMade, resumed } from "./client.fixture";
import { OPEN_TIMEOUT_MS, PONG_TIMEOUT_MS, RECONNECT_TRIES_MAX } from "./connection";
import { REPLY_TIMEOUT_MS } from "./step";

describe("a lost socket", () => {
  test("touches no media, and resumes", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    expect(connection(client.state)).toBe("reconnecting");
    client.sleep();
    client.on({ on: "socket_opened" });
    expect(client.lastSent()).toEqual({ id: 2, type: "resume", session: "s1", resume_token: "secret" });
    client.frame(resumed(2));
    expect(connection(client.state)).toBe("connected");
    expect(client.does()).toEqual(["open_socket", "send resume"]);
  });

  test("may have swallowed an unmuting, which is said again; only what the edge knew was muted by a moderator", () => {
    const client = new Client().joined();
    client.on({ on: "set_muted", source: "camera", muted: false });
    expect(client.does()).toEqual(["send set_muted"]);
    client.reopen();
    client.frame(resumed(3));
    expect(client.does()).toEqual(["open_socket", "send resume", "send set_muted"]);
    expect(client.lastSent()).toMatchObject({ type: "set_muted", mid: "1", muted: false });
    client.frame({ type: "done", in_reply_to: 4 });
    client.reopen();
    client.frame(resumed(5));
    expect(client.does()).toEqual(["open_socket", "send resume", "silence"]);
  });

  test("may have swallowed an unmuting and an offer that repeats it", () => {
    const client = new Client().joined();
    client.on({ on: "set_muted", source: "camera", muted: false });
    client.on({ on: "sections_changed" });
    client.on(offerMade(2));
    expect(client.does()).toEqual(["send set_muted", "make_offer keep", "send negotiate"]);
    client.reopen();
    client.frame(resumed(4));
    expect(client.does().filter((did) => did === "silence" || did === "send set_muted")).toEqual(["send set_muted"]);
  });

  test("is opened with the secret of the last answer, however old the join token is", () => {
    const client = new Client().joined();
    expect(client.secrets()).toEqual([null]);
    client.reopen();
    client.frame(resumed(2));
    client.reopen();
    // This answer is lost, and the secret in it.
    client.reopen();
    client.frame(resumed(4, "third"));
    client.reopen();
    expect(client.secrets()).toEqual([null, "secret", "second", "second", "third"]);
    expect(client.lastSent()).toMatchObject({ type: "resume", resume_token: "third" });
  });

  const nothings: [string, (client: Client) => void][] = [
    ["the request", (client) => client.frame({ type: "error", in_reply_to: 2, code: "session_expired", message: "" })],
    ["the socket", (client) => client.frame({ type: "refused", code: "session_expired" })],
  ];
  test.each(nothings)("joins anew, with a token, a new transport and a new attempt, when %s resumes nothing", (_, say) => {
    const client = new Client().joined();
    client.reopen();
    say(client);
    expect(client.does()).toEqual(["open_socket", "send resume", "make_offer new", "close_socket"]);
    client.on(offerMade(2));
    client.reopened();
    expect(client.secrets()).toEqual([null, "secret", null]);
    expect(client.lastSent()).toMatchObject({ type: "join", attempt: "page-1", offer: "sdp 2" });
    client.frame({ ...JOINED, in_reply_to: 3, session: "s2" });
    expect(client.state.session?.id).toBe("s2");
    expect(connection(client.state)).toBe("connected");
  });

  const finals: [ErrorCode, string][] = [
    ["kicked", "end kicked"],
    ["banned", "end banned"],
    ["replaced", "end replaced"],
    ["room_closed", "end room_closed"],
  ];
  test.each(finals)("is not opened again when it was removed: %s", (code, outcome) => {
    const client = new Client().joined();
    client.frame({ type: "removed", code, reason: null });
    client.on({ on: "socket_closed", code: 4001 });
    expect(client.outcome()).toBe(outcome);
    expect(client.state.deadlines).toEqual({});
  });

  test("is not opened again after close code 4001 alone", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 4001 });
    expect(client.outcome()).toBe("end forbidden");
  });

  test.each([...finals])("a resume answered with %s: %s", (code, outcome) => {
    const client = new Client().joined();
    client.reopen();
    client.frame({ type: "error", in_reply_to: 2, code, message: "" });
    expect(client.outcome()).toBe(outcome);
  });

  test("is opened again even if the timer fires too early", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    const wakeAtMs = client.state.wakeAtMs ?? 0;
    client.nowMs = wakeAtMs - 0.5;
    client.on({ on: "wake" });
    expect(client.commands.at(-1)).toEqual({ do: "wake", atMs: wakeAtMs });
    client.nowMs = wakeAtMs;
    client.on({ on: "wake" });
    expect(client.does()).toEqual(["open_socket"]);
  });

  test("is opened at once when the network comes back", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.does();
    client.on({ on: "network_changed" });
    expect(client.does()).toEqual(["open_socket"]);
  });

  test("is given up when nobody answers pings", () => {
    const client = new Client().joined();
    client.pass(PING_INTERVAL_MS);
    expect(client.commands.filter((command) => command.do === "send").at(-1)).toEqual({ do: "send", text: PING });
    client.pass(PONG_TIMEOUT_MS);
    expect(client.outcome()).toBe("wait");
  });

  test("is kept while pings are answered", () => {
    const client = new Client().joined();
    for (let minute = 0; minute < 6; minute += 1) {
      client.pass(PING_INTERVAL_MS);
      client.on({ on: "frame", text: PONG });
    }
    expect(connection(client.state)).toBe("connected");
  });

  test("is given up when it does not open, or a request is not answered", () => {
    const opening = new Client();
    opening.on({ on: "start" });
    opening.pass(OPEN_TIMEOUT_MS);
    expect(opening.outcome()).toBe("wait");
    const asked = new Client().asked();
    asked.pass(REPLY_TIMEOUT_MS);
    expect(asked.outcome()).toBe("wait");
  });

  test("returns to a large room within the time that the room names, and at once when the network changes", () => {
    const room = { ...JOINED.room, resume_spread_ms: 5_120 };
    const client = new Client().joined();
    client.frame({ type: "room_updated", room });
    const waits: number[] = [];
    for (let request = 2; request < 60; request += 1) {
      client.on({ on: "socket_closed", code: 1006 });
      waits.push((client.state.deadlines.backoff ?? Infinity) - client.nowMs);
      client.reopened();
      client.frame({ ...resumed(request), room });
    }
    expect(Math.max(...waits)).toBeLessThan(5_120);
    expect(Math.max(...waits)).toBeGreaterThan(4_000);
    expect(Math.min(...waits)).toBeLessThan(1_000);
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "network_changed" });
    expect(client.state.signaling.at).toBe("opening");
  });

  // Holds S1-SM-04.
  test("waits for spans that grow, are spread and are bounded", () => {
    const client = new Client().joined();
    const waits: number[] = [];
    for (let failed = 1; failed < RECONNECT_TRIES_MAX; failed += 1) {
      client.on({ on: "socket_closed", code: 1006 });
      waits.push((client.state.deadlines.backoff ?? Infinity) - client.nowMs);
      client.sleep();
    }
    // Each wait may be twice as long as the one before, up to the bound; the average grows accordingly.
    const longest = waits.map((_, failed) => Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (failed + 1)));
    waits.forEach((wait, failed) => expect(wait, `wait ${failed}`).toBeLessThanOrEqual(longest[failed] ?? 0));
    const average = (from: number, to: number): number => waits.slice(from, to).reduce((sum, wait) => sum + wait, 0) / (to - from);
    expect(average(0, 4)).toBeLessThan(average(4, 12) / 2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(BACKOFF_MAX_MS);
    expect(Math.max(...waits)).toBeGreaterThan(BACKOFF_MAX_MS * 0.8);
    expect(Math.min(...waits.slice(10))).toBeLessThan(BACKOFF_MAX_MS * 0.2);
    client.on({ on: "socket_closed", code: 1006 });
    expect(client.outcome()).toBe("end unreachable");
  });
});
