import { describe, expect, test } from "vitest";
import { BACKOFF_MAX_MS, backoffMs, random } from "./backoff";
import type { ChatMessage, EdgeToClient, ErrorCode, NegotiateReason, ParticipantInfo } from "./protocol.gen";
import { PING, PING_INTERVAL_MS, PONG, SLOTS_PER_KIND_DEFAULT } from "./protocol.gen";
import type { Command, Event, State } from "./state";
import { connection, initial, step } from "./state";
import { JOIN_TRIES_MAX, OPEN_TIMEOUT_MS, PONG_TIMEOUT_MS, RECONNECT_TRIES_MAX } from "./state/connection";
import { OUTBOX_MAX } from "./state/conversation";
import { CONNECT_TIMEOUT_MS, RESTART_TIMEOUT_MS } from "./state/media";
import { VIEW_DELAY_MS } from "./state/requests";
import { REPLY_TIMEOUT_MS } from "./state/turn";

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

  test("ends when the application has no token", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.on({ on: "token_unavailable", detail: "503" });
    expect(client.outcome()).toBe("end token_unavailable");
  });

  test("ends when the browser makes no offer", () => {
    const client = new Client();
    client.on({ on: "start" });
    client.on({ on: "offer_failed", offer: 1, detail: "no" });
    expect(client.outcome()).toBe("end unsupported_browser");
  });
});

describe("the right to publish", () => {
  const own = (publish: boolean): EdgeToClient => ({
    type: "participant_updated",
    participant: { ...GRACE, grants: { publish, subscribe: true, chat: true, moderate: false, record: false } },
  });

  test("taken away: nothing is published by the next offer, and given back: everything is", () => {
    const client = new Client().joined();
    client.frame(own(false));
    expect(client.state).toMatchObject({ publishes: false, media: { published: [] } });
    client.on({ ...offerMade(2), sections: [] });
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections", tracks: [] });
    client.frame(own(true));
    expect(client.state.publishes).toBe(true);
  });

  test("given to somebody who never wanted to publish changes nothing", () => {
    const client = new Client({ publishes: false }).joined();
    client.frame(own(false));
    client.frame(own(true));
    expect(client.state).toMatchObject({ publishes: false, media: { wanted: null } });
  });
});

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

  test("waits for spans that grow, are spread and are bounded", () => {
    const client = new Client().joined();
    const waits: number[] = [];
    for (let failed = 1; failed < RECONNECT_TRIES_MAX; failed += 1) {
      client.on({ on: "socket_closed", code: 1006 });
      waits.push((client.state.deadlines.backoff ?? Infinity) - client.nowMs);
      client.sleep();
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(BACKOFF_MAX_MS);
    expect(Math.max(...waits)).toBeGreaterThan(BACKOFF_MAX_MS * 0.8);
    expect(Math.min(...waits.slice(10))).toBeLessThan(BACKOFF_MAX_MS * 0.2);
    client.on({ on: "socket_closed", code: 1006 });
    expect(client.outcome()).toBe("end unreachable");
  });
});

describe("back-off", () => {
  const bounds: [failures: number, random: number, ms: number][] = [
    [0, 0, 0],
    [0, 0.999, 249],
    [1, 0.5, 250],
    [4, 0.5, 2_000],
    [5, 0.5, 4_000],
    [60, 0.5, 4_000],
    [10_000, 0.999_999, 7_999],
  ];
  test.each(bounds)("after %i failures with %f: %i ms", (failures, value, ms) => {
    expect(backoffMs(failures, value)).toBe(ms);
  });

  test("random numbers are in [0, 1), differ, and repeat with their seed", () => {
    const draw = (seed: number): number[] => {
      const values: number[] = [];
      for (let count = 0; count < 1_000; count += 1) {
        const [value, next] = random(seed);
        values.push(value);
        seed = next;
      }
      return values;
    };
    const values = draw(7);
    expect(draw(7)).toEqual(values);
    expect(new Set(values).size).toBeGreaterThan(990);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  });
});

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

describe("slots", () => {
  test("are added when the room needs more, once, and never beyond the limit", () => {
    const client = new Client().joined();
    client.frame({ type: "sections_needed", audio: 16, video: 200 });
    client.frame({ type: "sections_needed", audio: 8, video: 24 });
    expect(client.does()).toEqual(["make_offer keep"]);
    expect(client.state.media.slots).toEqual({ audio: 16, video: 24 });
    client.on(offerMade(2));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections" });
    client.frame(negotiated(2, "s1"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    expect(connection(client.state)).toBe("connected");
    // Other servers would make Chromium restart ICE with the offer after this one.
    expect(client.servers()).toEqual([true, JOINED.ice_servers, false, null]);
  });

  test("keep what is not named, and are freed by whoever leaves", () => {
    const client = new Client().joined();
    client.frame({ type: "slots_changed", slots: [{ mid: "3", track: "t3", participant: "alan" }] });
    expect(client.state.slots).toEqual([
      { mid: "2", track: "t1", participant: "ada" },
      { mid: "3", track: "t3", participant: "alan" },
    ]);
    client.frame({ type: "participant_left", participant: "ada", reason: "left" });
    expect(client.state.slots[0]).toEqual({ mid: "2", track: null, participant: null });
    expect(client.state.roster.map(({ id }) => id)).toEqual(["grace"]);
  });
});

describe("what the user asks for", () => {
  test("muting is told by section, and only when it differs", () => {
    const client = new Client().joined();
    client.on({ on: "set_muted", source: "microphone", muted: true });
    client.on({ on: "set_muted", source: "microphone", muted: true });
    expect(client.lastSent()).toEqual({ id: 2, type: "set_muted", mid: "0", muted: true });
    expect(client.does()).toEqual(["send set_muted"]);
  });

  test("muting while the socket is away is told after resuming", () => {
    const client = new Client().joined();
    client.reopen();
    client.on({ on: "set_muted", source: "microphone", muted: true });
    client.frame(resumed(2));
    expect(client.lastSent()).toEqual({ id: 3, type: "set_muted", mid: "0", muted: true });
  });

  test("muting while joining is told once joined", () => {
    const client = new Client().asked();
    client.on({ on: "set_muted", source: "microphone", muted: true });
    client.frame(JOINED);
    expect(client.lastSent()).toEqual({ id: 2, type: "set_muted", mid: "0", muted: true });
  });

  test("the view is told once it has settled, and again only where the edge may not have heard it", () => {
    const client = new Client().joined().crowded();
    client.on({ on: "set_view", participants: ["alan"], lines: null });
    client.on({ on: "set_view", participants: ["ada", "ada", "alan"], lines: null });
    expect(client.does()).toEqual([]);
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.lastSent()).toEqual({ id: 2, type: "view", participants: ["ada", "alan"] });
    client.frame({ type: "done", in_reply_to: 2 });
    client.does();
    client.reopen();
    client.frame({ ...resumed(3), roster: client.state.roster.slice() });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual(["open_socket", "send resume"]);
    client.on({ on: "set_view", participants: ["alan"], lines: null });
    client.pass(2 * VIEW_DELAY_MS);
    client.reopen();
    client.frame({ ...resumed(5), roster: client.state.roster.slice() });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual(["send view", "open_socket", "send resume", "send view"]);
  });

  test("sizes of tiles are told in steps, as soon as there is a picture", () => {
    const client = new Client().joined();
    client.on({ on: "set_view", participants: ["camera-1"], lines: { "camera-1": 200, stranger: 90 } });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual([]);
    client.crowded();
    client.pass(2 * VIEW_DELAY_MS);
    const view = { type: "view", participants: ["camera-1"], lines: { "camera-1": 270 } };
    expect(client.lastSent()).toEqual({ id: 2, ...view });
    client.does();
    client.on({ on: "set_view", participants: ["camera-1"], lines: { "camera-1": 265 } });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual([]);
    client.on({ on: "set_view", participants: ["camera-1"], lines: { "camera-1": 271 } });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.lastSent()).toEqual({ id: 3, ...view, lines: { "camera-1": 360 } });
  });

  test("another session begins with all layers and nothing paused", () => {
    const client = new Client().joined();
    client.frame({ type: "layers_wanted", mid: "1", rids: ["q"] });
    client.frame({ type: "video_paused", mids: ["3"] });
    expect(client.state.paused).toEqual(["3"]);
    expect(client.does()).toEqual(["set_layers"]);
    client.reopen();
    client.frame(resumed(2));
    expect(client.state.paused).toEqual([]);
  });

  test("200 people who come within 5 s make nobody tell a view that stays the same or decides nothing", () => {
    const watching = new Client().joined();
    const looking = new Client().joined().crowded();
    looking.on({ on: "set_view", participants: ["camera-1"], lines: null });
    looking.pass(2 * VIEW_DELAY_MS);
    looking.does();
    for (let count = 1; count <= 200; count += 1) {
      const participant = { ...ADA, id: `viewer-${count}`, tracks: [] };
      watching.frame({ type: "participant_joined", participant });
      watching.on({ on: "set_view", participants: watching.state.roster.slice(0, 24).map(({ id }) => id), lines: null });
      looking.frame({ type: "participant_joined", participant });
      looking.on({ on: "set_view", participants: ["camera-1"], lines: null });
      watching.pass(25);
      looking.pass(25);
    }
    expect(watching.does()).toEqual([]);
    expect(looking.does()).toEqual([]);
  });

  test("a kick is settled by its reply", () => {
    const client = new Client().joined();
    client.on({ on: "ask", request: { type: "kick", participant: "ada", reason: "spam" }, ticket: 7 });
    expect(client.lastSent()).toEqual({ id: 2, type: "kick", participant: "ada", reason: "spam" });
    client.frame({ type: "error", in_reply_to: 2, code: "forbidden", message: "no" });
    expect(client.commands).toContainEqual({ do: "settle", ticket: 7, failure: { code: "forbidden", detail: "no" } });
    client.on({ on: "ask", request: { type: "kick", participant: "ada" }, ticket: 8 });
    client.frame({ type: "done", in_reply_to: 3 });
    expect(client.commands).toContainEqual({ do: "settle", ticket: 8, failure: null });
  });

  test("who is banned is asked for and kept", () => {
    const client = new Client().joined();
    client.on({ on: "ask", request: { type: "list_bans" }, ticket: 7 });
    expect(client.lastSent()).toEqual({ id: 2, type: "list_bans" });
    const bans = [{ participant: "mallory", name: "Mallory", banned_at: 1, until: null }];
    client.frame({ type: "bans", in_reply_to: 2, bans });
    expect(client.commands).toContainEqual({ do: "settle", ticket: 7, failure: null });
    expect(client.state.bans).toEqual(bans);
  });

  test("guests wait as moderators are told, and nobody does when a session is taken up until the edge says so", () => {
    const client = new Client().joined();
    const guests = [{ participant: "guest-1", name: "Grace", since: 1 }];
    client.frame({ type: "guests_waiting", guests });
    expect(client.state.guests).toEqual(guests);
    client.on({ on: "ask", request: { type: "admit_guest", participant: "guest-1" }, ticket: 7 });
    expect(client.lastSent()).toEqual({ id: 2, type: "admit_guest", participant: "guest-1" });
    client.frame({ type: "done", in_reply_to: 2 });
    client.frame({ type: "guests_waiting", guests: [] });
    expect(client.state.guests).toEqual([]);
  });

  test("a recording is started and stopped by requests, and shown as it is told", () => {
    const client = new Client().joined();
    client.on({ on: "ask", request: { type: "start_recording" }, ticket: 7 });
    expect(client.lastSent()).toEqual({ id: 2, type: "start_recording" });
    client.frame({ type: "done", in_reply_to: 2 });
    client.on({ on: "ask", request: { type: "stop_recording" }, ticket: 8 });
    expect(client.lastSent()).toEqual({ id: 3, type: "stop_recording" });
    client.frame({ type: "error", in_reply_to: 3, code: "forbidden", message: "no" });
    expect(client.commands).toContainEqual({ do: "settle", ticket: 8, failure: { code: "forbidden", detail: "no" } });
    const recording = { id: "r1", state: "recording", started_by: "ada", started_at: 1, ended_at: null, code: null } as const;
    client.frame({ type: "recording_updated", recording });
    expect(client.state.recording).toEqual(recording);
  });

  test("a kick fails when the socket is away or goes away", () => {
    const client = new Client().joined();
    client.on({ on: "ask", request: { type: "kick", participant: "ada" }, ticket: 7 });
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "ask", request: { type: "kick", participant: "ada" }, ticket: 8 });
    const settled = client.commands.filter((command) => command.do === "settle");
    expect(settled.map(({ ticket, failure }) => [ticket, failure?.code])).toEqual([
      [7, "disconnected"],
      [8, "disconnected"],
    ]);
  });

  const farewells: [string, (client: Client) => void][] = [
    ["the edge says done", (client) => client.frame({ type: "done", in_reply_to: 2 })],
    ["the socket closes", (client) => client.on({ on: "socket_closed", code: 1000 })],
    ["nobody answers", (client) => client.pass(1_000)],
  ];
  test.each(farewells)("leaving ends when %s", (_, say) => {
    const client = new Client().joined();
    client.on({ on: "leave" });
    expect(client.lastSent()).toEqual({ id: 2, type: "leave" });
    say(client);
    expect(client.outcome()).toBe("end");
  });

  test("leaving while reconnecting ends at once", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on({ on: "leave" });
    expect(client.outcome()).toBe("end");
  });
});

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

describe("conversation", () => {
  const said = (number: number, message: string, participant = "ada"): ChatMessage => ({
    number,
    message,
    participant,
    name: participant,
    sent_at: 0,
    text: message,
  });
  const write = (message: string, ticket = 7): Event => ({ on: "write", message, text: message, ticket });
  const settled = (client: Client): unknown[] =>
    client.commands.flatMap((command) => (command.do === "settle" ? [[command.ticket, command.failure?.code ?? null]] : []));

  test("a message is sent at once and settled by its answer", () => {
    const client = new Client().joined();
    client.on(write("m1"));
    expect(client.lastSent()).toEqual({ id: 2, type: "chat", message: "m1", text: "m1" });
    client.frame({ type: "done", in_reply_to: 2 });
    expect([client.state.outbox, settled(client)]).toEqual([[], [[7, null]]]);
  });

  test("what may be lost with the socket is sent again, after what was missed is asked for", () => {
    const client = new Client().joined();
    client.frame({ type: "chat", messages: [said(4, "m0")] });
    client.on(write("m1"));
    client.reopen();
    expect(client.lastSent()).toMatchObject({ type: "resume", chat_after: 4 });
    client.frame(resumed(3));
    expect(client.lastSent()).toMatchObject({ id: 4, type: "chat", message: "m1" });
    expect(settled(client)).toEqual([]);
    // It had arrived: the room tells it with the rest, and only once is it shown.
    client.frame({ type: "chat", messages: [said(5, "m1", "grace")] });
    client.frame({ type: "done", in_reply_to: 4 });
    expect(settled(client)).toEqual([[7, null]]);
    expect(client.state.chat.map(({ message }) => message)).toEqual(["m0", "m1"]);
  });

  test("what was written while the socket was away is sent when it is back", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    client.on(write("m1"));
    client.reopened();
    client.frame(resumed(2));
    expect(client.lastSent()).toMatchObject({ type: "chat", message: "m1" });
  });

  test("a refused message is given back", () => {
    const client = new Client().joined();
    client.on(write("m1"));
    client.frame({ type: "error", in_reply_to: 2, code: "rate_limited", message: "" });
    expect([client.state.outbox, settled(client)]).toEqual([[], [[7, "rate_limited"]]]);
  });

  test("nothing comes twice, whatever is told again", () => {
    const client = new Client().joined();
    client.frame({ type: "chat", messages: [said(1, "a"), said(2, "b")] });
    client.frame({ type: "chat", messages: [said(2, "b"), said(3, "c")] });
    expect(client.state.chat.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  test("leaving gives back what was not sent, and so many wait at most", () => {
    const client = new Client().joined();
    client.on({ on: "socket_closed", code: 1006 });
    for (let ticket = 0; ticket <= OUTBOX_MAX; ticket += 1) {
      client.on(write(`m${ticket}`, ticket));
    }
    expect(settled(client)).toEqual([[OUTBOX_MAX, "rate_limited"]]);
    client.on({ on: "leave" });
    expect(settled(client)).toHaveLength(OUTBOX_MAX + 1);
  });

  test("signs are shown and not kept", () => {
    const client = new Client().joined();
    client.frame({ type: "reacted", participant: "ada", reaction: "clap" });
    expect(client.commands.at(-1)).toEqual({ do: "show_reaction", participant: "ada", reaction: "clap" });
  });
});

describe("being muted by a moderator", () => {
  test("stops the source until the user opens it again", () => {
    const client = new Client().joined();
    client.frame({ type: "track_muted", mid: "0" });
    expect(client.commands.at(-1)).toEqual({ do: "silence", source: "microphone" });
    expect(client.does()).toEqual(["silence"]);
    client.on({ on: "set_muted", source: "microphone", muted: false });
    expect(client.lastSent()).toEqual({ id: 2, type: "set_muted", mid: "0", muted: false });
  });

  test("counts too where it happened while the socket was away", () => {
    const client = new Client().joined();
    client.reopen();
    const [microphone, camera] = GRACE.tracks;
    const silenced = { ...GRACE, tracks: [{ ...microphone!, muted: true }, camera!] };
    client.frame({ ...resumed(2), roster: [ADA, silenced] });
    expect(client.does()).toContain("silence");
    expect(client.state.muted.microphone).toBe(true);
  });
});

describe("what is published", () => {
  test("is not captured any more where the edge does not take it, and offered again where it may later", () => {
    const client = new Client().joined();
    client.on({ on: "sections_changed" });
    client.on(offerMade(2));
    client.frame({ type: "error", in_reply_to: 2, code: "rate_limited", message: "" });
    client.does();
    client.sleep();
    expect(client.does()).toEqual(["make_offer keep"]);
    client.on(offerMade(3));
    client.frame({ type: "error", in_reply_to: 3, code: "forbidden", message: "" });
    expect(client.does()).toEqual(["send negotiate", "report", "drop_screen"]);
    expect(connection(client.state)).toBe("connected");
  });

  test("changes with another offer, once the one before is answered", () => {
    const client = new Client().joined();
    client.on({ on: "sections_changed" });
    client.on({ on: "sections_changed" });
    expect(client.does()).toEqual(["make_offer keep"]);
    client.on({ ...offerMade(2), sections: [...offerMade(2).sections, { mid: "18", source: "screen" }] });
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections", tracks: [{}, {}, { mid: "18", source: "screen" }] });
    client.frame(negotiated(2, "s1"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    expect(client.does()).toEqual(["send negotiate", "apply_answer", "make_offer keep"]);
  });
});

const GRACE: ParticipantInfo = {
  id: "grace",
  name: "Grace",
  joined_at: 2,
  connection: "connected",
  tracks: [
    { id: "t8", mid: "0", kind: "audio", source: "microphone", muted: false, csrc: 8 },
    { id: "t9", mid: "1", kind: "video", source: "camera", muted: true, csrc: 9 },
  ],
};
const ADA: ParticipantInfo = {
  id: "ada",
  name: "Ada",
  joined_at: 1,
  connection: "connected",
  tracks: [{ id: "t1", mid: "0", kind: "audio", source: "microphone", muted: false, csrc: 1 }],
};
const JOINED: Extract<EdgeToClient, { type: "joined" }> = {
  type: "joined",
  in_reply_to: 1,
  participant: "grace",
  session: "s1",
  resume_token: "secret",
  answer: "answer",
  room: { locked: false, metadata: "", participants_max: 100 },
  roster: [ADA, GRACE],
  slots: [{ mid: "2", track: "t1", participant: "ada" }],
  recording: null,
  ice_servers: [{ urls: ["stun:stun.example.org"] }],
  chat_last: 1,
};

const FRESH = [{ urls: ["turn:turn.example.org"], username: "1800000600:sfu:daily:grace", credential: "fresh" }];

function resumed(in_reply_to: number, resume_token = "second"): Extract<EdgeToClient, { type: "resumed" }> {
  return {
    type: "resumed",
    in_reply_to,
    resume_token,
    room: JOINED.room,
    roster: [ADA, GRACE],
    slots: JOINED.slots,
    transport_dead: false,
    ice_servers: FRESH,
    recording: null,
  };
}

function negotiated(in_reply_to: number, session: string): EdgeToClient {
  return { type: "negotiated", in_reply_to, session, answer: "answer", slots: JOINED.slots, ice_servers: FRESH };
}

function frame(message: EdgeToClient): Event {
  return { on: "frame", text: JSON.stringify(message) };
}

function offerMade(offer: number): Extract<Event, { on: "offer_made" }> {
  const sections = [
    { mid: "0", source: "microphone" },
    { mid: "1", source: "camera" },
  ] as const;
  return { on: "offer_made", offer, sdp: `sdp ${offer}`, sections };
}

/** Plays the shell: keeps the state, the clock and what was commanded. */
class Client {
  state: State;
  nowMs = 1_000;
  commands: Command[] = [];
  #seen = 0;

  constructor({ renewsToken = false, publishes = true } = {}) {
    this.state = initial({ attemptPrefix: "page", seed: 1, muted: { camera: true }, renewsToken, publishes });
  }

  on(event: Event): void {
    const frozen = JSON.stringify(this.state);
    const [state, commands] = step(this.state, event, this.nowMs);
    expect(JSON.stringify(this.state), "step must not change what it is given").toBe(frozen);
    this.state = state;
    this.commands.push(...commands);
  }

  frame(message: EdgeToClient): void {
    this.on(frame(message));
  }

  /** Started, opened, offered: `join` is sent. */
  asked(): this {
    this.on({ on: "start" });
    this.on(offerMade(1));
    this.on({ on: "socket_opened" });
    this.does();
    return this;
  }

  joined(): this {
    this.asked();
    this.frame(JOINED);
    this.on({ on: "answer_applied", offer: 1, moved: false });
    this.on({ on: "transport_connected" });
    this.does();
    return this;
  }

  /** There are more cameras than slots for them. */
  crowded(): this {
    for (let count = 1; count <= SLOTS_PER_KIND_DEFAULT + 1; count += 1) {
      const camera = { id: `c${count}`, mid: "1", kind: "video", source: "camera", muted: false, csrc: 100 + count } as const;
      this.frame({ type: "participant_joined", participant: { ...ADA, id: `camera-${count}`, tracks: [camera] } });
    }
    this.does();
    return this;
  }

  reopen(): void {
    this.on({ on: "socket_closed", code: 1006 });
    this.reopened();
  }

  reopened(): void {
    this.sleep();
    this.on({ on: "socket_opened" });
  }

  /** An ICE restart is asked for. */
  restart(): this {
    this.on({ on: "transport_lost", why: "quiet" });
    this.on(offerMade(2));
    expect(this.state.media.negotiation?.stage).toBe("sent");
    return this;
  }

  /** An ICE restart is asked for, and answered. */
  restarted(): this {
    this.restart().frame(negotiated(2, "s2"));
    return this;
  }

  /** Lets the next deadline pass. */
  sleep(): void {
    this.nowMs = Math.max(this.nowMs, this.state.wakeAtMs ?? this.nowMs);
    this.on({ on: "wake" });
  }

  /** Lets this much time pass, waking whenever asked to. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.state.wakeAtMs !== null && this.state.wakeAtMs <= untilMs) {
      this.sleep();
    }
    this.nowMs = untilMs;
  }

  /** What was commanded since the last call, in words; wake-ups and pings aside. */
  does(): string[] {
    const words = this.commands.slice(this.#seen).flatMap((command) => {
      if (command.do === "send") {
        return command.text === PING ? [] : [`send ${(JSON.parse(command.text) as { type: string }).type}`];
      }
      return command.do === "wake" ? [] : [command.do === "make_offer" ? `make_offer ${command.transport}` : command.do];
    });
    this.#seen = this.commands.length;
    return words;
  }

  /** The resume secret that each socket was opened with, nothing where it was a token. */
  secrets(): (string | null)[] {
    return this.commands.flatMap((command) => (command.do === "open_socket" ? [command.secret] : []));
  }

  /** Whether each offer waited for servers, and the servers that each answer brought. */
  servers(): unknown[] {
    return this.commands.flatMap((command): unknown[] => {
      if (command.do === "make_offer") {
        return [command.awaitsServers];
      }
      return command.do === "apply_answer" ? [command.iceServers] : [];
    });
  }

  lastSent(): { id: number; type: string; reason?: NegotiateReason } {
    const sent = this.commands.flatMap((command) => (command.do === "send" && command.text !== PING ? [command.text] : []));
    return JSON.parse(sent.at(-1) ?? "{}") as { id: number; type: string };
  }

  /** Whether the client waits to come back, or has ended and why. */
  outcome(): string {
    if (this.state.phase !== "ended") {
      return this.state.signaling.at === "waiting" ? "wait" : this.state.signaling.at;
    }
    const end = this.commands.find((command) => command.do === "end");
    return `end ${end?.failure?.code ?? ""}`.trim();
  }
}
