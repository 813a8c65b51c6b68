import { describe, expect, test } from "vitest";
import type { ErrorCode, NegotiateReason } from "../protocol.gen";
import { PONG } from "../protocol.gen";
import type { Event } from "../state";
import { connection } from "../state";
import { Client, FRESH, JOINED, frame, negotiated, offerMade, resumed } from "./client.fixture";
import { CONNECT_TIMEOUT_MS, RESTART_TIMEOUT_MS } from "./media";

describe("a dead transport", () => {
  const causes: [string, Event][] = [
    ["nothing is heard", { on: "transport_lost", why: "quiet" }],
    ["the browser gave up", { on: "transport_lost", why: "failed" }],
    ["the edge says so", frame({ type: "transport_dead" })],
  ];
  // Holds S2-SM-01, S4-TEST-05.
  test.each(causes)("is restarted on any node: %s", (_, event) => {
    const client = new Client().joined();
    client.on(event);
    expect(client.does()).toContain("make_offer restart_ice");
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ id: 2, type: "negotiate", offer: "sdp 2", reason: "transport_dead" });
    client.frame(negotiated(2, "s2"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    client.on({ on: "transport_connected" });
    expect(connection(client.state)).toBe("connected");
    expect(client.state.session?.id).toBe("s2");
    expect(client.state.deadlines.media).toBeUndefined();
  });

  const recoveries: [string, Event, string][] = [
    ["a failed handshake needs a new one", { on: "transport_lost", why: "dtls" }, "make_offer new"],
    ["the application asks for an ICE restart", { on: "recover", reason: "ice_restart" }, "make_offer restart_ice"],
    ["the application asks for a new connection", { on: "recover", reason: "new_transport" }, "make_offer new"],
  ];
  test.each(recoveries)("%s", (_, event, expected) => {
    const client = new Client().joined();
    client.on(event);
    expect(client.does()).toContain(expected);
  });

  test("is not restarted before there is one", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.does();
    client.on({ on: "recover", reason: "new_transport" });
    expect(client.does()).toEqual([]);
  });

  test("gathers again with the servers that the answer brings", () => {
    const client = new Client().joined().restarted();
    expect(client.servers()).toEqual([true, JOINED.ice_servers, true, FRESH]);
    client.on({ on: "answer_refused", offer: 2, detail: "fingerprint" });
    client.on(offerMade(3));
    client.frame(negotiated(3, "s3"));
    expect(client.servers().slice(4)).toEqual([true, FRESH]);
  });

  test("is restarted once, however often it is reported", () => {
    const client = new Client().joined();
    client.on({ on: "transport_lost", why: "quiet" });
    client.frame({ type: "transport_dead" });
    client.on({ on: "transport_lost", why: "quiet" });
    client.on(offerMade(2));
    client.frame({ type: "transport_dead" });
    expect(client.does().filter((what) => what.startsWith("make_offer"))).toEqual(["make_offer restart_ice"]);
  });

  test("is replaced by a new one when the browser refuses the answer", () => {
    const client = new Client().joined().restarted();
    client.on({ on: "answer_refused", offer: 2, detail: "fingerprint" });
    client.on(offerMade(3));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "new_transport" });
  });

  const restarts: [string, boolean, string][] = [
    ["another node: the browser cannot do that, so it is replaced by a new one", true, "make_offer new"],
    ["the same node: that one is dead, which the edge believes when told again", false, "make_offer restart_ice"],
  ];
  test.each(restarts)("whose restart is answered in vain by %s", (_, moved, what) => {
    const client = new Client().joined().restarted();
    client.on({ on: "answer_applied", offer: 2, moved });
    client.does();
    client.pass(RESTART_TIMEOUT_MS);
    expect(client.does()).toEqual([what]);
  });

  test("climbs from the join to other nodes to a new transport, and begins again after a wait", () => {
    const client = new Client().asked();
    client.frame(JOINED);
    client.on({ on: "answer_applied", offer: 1, moved: false });
    const reasons: (NegotiateReason | undefined)[] = [];
    for (let offer = 2; offer < 8; offer += 1) {
      const asked = client.state.requestsMade;
      for (let waited = 0; client.state.requestsMade === asked && waited < 100; waited += 1) {
        client.pass(CONNECT_TIMEOUT_MS / 4);
        client.on({ on: "frame", text: PONG });
        client.on(offerMade(offer));
      }
      const sent = client.lastSent();
      reasons.push(sent.type === "negotiate" ? sent.reason : undefined);
      client.frame(negotiated(client.state.requestsMade, "s"));
      client.on({ on: "answer_applied", offer, moved: false });
    }
    expect(reasons).toEqual([
      "transport_dead",
      "transport_dead",
      "new_transport",
      "transport_dead",
      "transport_dead",
      "new_transport",
    ]);
    expect(client.commands).toContainEqual({
      do: "report",
      failure: { code: "media_unreachable", detail: "a new transport did not connect" },
    });
  });

  test("with the socket gone too is the client's own network: same node first", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "transport_lost", why: "quiet" });
    client.sleep();
    client.on({ on: "socket_opened" });
    client.frame(resumed(2));
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "ice_restart" });
  });

  test("that is known to the edge is moved after resuming", () => {
    const client = new Client().joined();
    client.reopen();
    client.frame({ ...resumed(2), transport_dead: true });
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "transport_dead" });
  });

  test("that came back by itself while the socket was away is left alone", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "transport_lost", why: "quiet" });
    client.on({ on: "transport_connected" });
    client.reopened();
    client.frame(resumed(2));
    expect(client.does()).toEqual(["open_socket", "send resume"]);
  });

  const answers: [ErrorCode, string][] = [
    ["no_media_node", "later transport_dead"],
    ["internal", "later transport_dead"],
    ["unsupported_media", "new_transport"],
    ["session_expired", "new_transport"],
    ["not_joined", "join"],
  ];
  test.each(answers)("whose restart is answered with %s: %s", (code, what) => {
    const client = new Client().joined().restart();
    client.does();
    client.frame({ type: "error", in_reply_to: 2, code, message: "" });
    const isLater = what.startsWith("later ");
    expect(client.does().some((done) => done.startsWith("make_offer"))).toBe(!isLater);
    client.pass(5_000);
    expect(client.state.media.negotiation?.purpose).toBe(what.replace("later ", ""));
  });
});

test("a participant who is forgotten joins anew, on another socket", () => {
  const client = new Client().joined().restarted();
  client.on({ on: "answer_refused", offer: 2, detail: "fingerprint" });
  client.on(offerMade(3));
  client.does();
  client.frame({ type: "error", in_reply_to: 3, code: "session_expired", message: "" });
  client.on(offerMade(4));
  client.reopened();
  expect(client.does()).toEqual(["make_offer new", "close_socket", "open_socket", "send join"]);
});
