import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../protocol.gen";
import type { Event } from "../state";
import { connection } from "../state";
import { Client, JOINED, offerMade } from "./client.fixture";
import { JOIN_TRIES_MAX } from "./connection";

describe("joining", () => {
  test("opens the socket and makes the offer at the same time", () => {
    const client = new Client();
    client.on({ on: "start" });
    expect(client.does()).toEqual(["open_socket", "make_offer new"]);
  });

  const orders: [string, Event[]][] = [
    ["the offer first", [offerMade(1), { on: "socket_opened" }]],
    ["the socket first", [{ on: "socket_opened" }, offerMade(1)]],
  ];
  test.each(orders)("sends join once both are there: %s", (_, events) => {
    const client = new Client();
    client.on({ on: "start" });
    client.does();
    events.forEach((event) => client.on(event));
    expect(client.does()).toEqual(["send join"]);
    expect(client.lastSent()).toEqual({
      id: 1,
      type: "join",
      attempt: "page-0",
      offer: "sdp 1",
      tracks: [
        { mid: "0", source: "microphone", muted: false },
        { mid: "1", source: "camera", muted: true },
      ],
    });
  });

  test("hands the answer and the ICE servers to the browser", () => {
    const client = new Client().asked();
    client.frame(JOINED);
    expect(client.commands).toContainEqual({
      do: "apply_answer",
      offer: 1,
      sdp: "answer",
      iceServers: [{ urls: ["stun:stun.example.org"] }],
    });
    expect(connection(client.state)).toBe("connected");
  });

  const refusals: [ErrorCode, string][] = [
    ["room_full", "end room_full"],
    ["room_locked", "end room_locked"],
    ["invalid_offer", "end invalid_offer"],
    ["no_media_node", "wait"],
    ["rate_limited", "wait"],
    ["internal", "wait"],
  ];
  test.each(refusals)("answered with %s: %s", (code, outcome) => {
    const client = new Client().asked();
    client.frame({ type: "error", in_reply_to: 1, code, message: "" });
    expect(client.outcome()).toBe(outcome);
  });

  test.each([
    [true, "wait"],
    [false, "end token_used"],
  ])("answered with token_used (renews tokens: %s): %s", (renewsToken, outcome) => {
    const client = new Client({ renewsToken }).asked();
    client.frame({ type: "error", in_reply_to: 1, code: "token_used", message: "" });
    expect(client.outcome()).toBe(outcome);
  });

  test.each<ErrorCode>(["forbidden", "too_many_publishers"])("answered with %s: without publishing, then not at all", (code) => {
    const client = new Client().asked();
    client.frame({ type: "error", in_reply_to: 1, code, message: "" });
    expect(client.state.publishes).toBe(false);
    client.on({ ...offerMade(2), sections: [] });
    expect(client.lastSent()).toMatchObject({ id: 2, type: "join", attempt: "page-1", tracks: [] });
    expect(client.does()).toEqual(["report", "make_offer new", "send join"]);
    client.frame({ type: "error", in_reply_to: 2, code, message: "" });
    expect(client.outcome()).toBe(`end ${code}`);
  });

  const refused: [ErrorCode, boolean, string][] = [
    ["bad_token", true, "end bad_token"],
    ["wrong_room", true, "end wrong_room"],
    ["token_expired", false, "end token_expired"],
    ["token_expired", true, "wait"],
    ["internal", false, "wait"],
  ];
  test.each(refused)("a socket refused with %s (renews tokens: %s): %s", (code, renewsToken, outcome) => {
    const client = new Client({ renewsToken }).asked();
    client.frame({ type: "refused", code });
    expect(client.outcome()).toBe(outcome);
  });

  test("says the same attempt and offer again when the socket was lost before the reply", () => {
    const client = new Client().asked();
    const first = client.lastSent();
    client.on({ on: "socket_closed", code: 1006 });
    client.sleep();
    client.on({ on: "socket_opened" });
    expect(client.lastSent()).toEqual({ ...first, id: 2 });
  });

  test("gives up after a bounded number of tries", () => {
    const client = new Client();
    client.on({ on: "start" });
    for (let failed = 1; failed < JOIN_TRIES_MAX; failed += 1) {
      client.on({ on: "socket_closed", code: 1006 });
      expect(client.outcome()).toBe("wait");
      client.sleep();
    }
    client.on({ on: "socket_closed", code: 1006 });
    expect(client.outcome()).toBe("end unreachable");
  });

  test("comes again after growing pauses of random length when the edge refuses the upgrade itself", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.on(offerMade(1));
    const spans = [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000];
    const waits = spans.map(() => {
      // Pages see HTTP 429 as close code 1006.
      client.on({ on: "socket_closed", code: 1006 });
      const waitMs = (client.state.deadlines.backoff ?? Infinity) - client.nowMs;
      client.sleep();
      return waitMs;
    });
    waits.forEach((waitMs, failed) => expect(waitMs, `wait ${failed}`).toBeLessThan(spans[failed] ?? 0));
    expect(new Set(waits).size).toBe(waits.length);
    expect(Math.max(...waits)).toBeGreaterThan(2_000);
    client.on({ on: "socket_opened" });
    expect(client.lastSent()).toMatchObject({ type: "join", offer: "sdp 1" });
    client.frame({ ...JOINED, in_reply_to: 1 });
    expect(client.state.admitted).toBe(true);
  });

  test("ends when the application has no token", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.on({ on: "token_unavailable", failure: { code: "banned", detail: "" } });
    expect(client.outcome()).toBe("end banned");
  });

  test("ends when the browser makes no offer", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.on({ on: "offer_failed", offer: 1, detail: "no" });
    expect(client.outcome()).toBe("end unsupported_browser");
  });
});
