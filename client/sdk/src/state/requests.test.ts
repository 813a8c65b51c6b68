import { describe, expect, test } from "vitest";
import { connection } from "../state";
import { ADA, Client, JOINED, negotiated, offerMade, resumed } from "./client.fixture";
import { MUTE_AGAIN_MS, VIEW_DELAY_MS, VIEW_GROWTH_DELAY_MS } from "./requests";

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
    // Other servers would make Chromium restart ICE with the next offer.
    expect(client.servers()).toEqual([true, JOINED.ice_servers, false, null]);
  });

  test("are offered again when the room needs even more before it has answered", () => {
    const client = new Client().joined();
    client.frame({ type: "sections_needed", audio: 16, video: 8 });
    client.on(offerMade(2));
    client.frame({ type: "sections_needed", audio: 16, video: 16 });
    client.frame({ type: "sections_needed", audio: 16, video: 24 });
    expect(client.does()).toEqual(["make_offer keep", "send negotiate"]);
    client.frame(negotiated(2, "s1"));
    client.on({ on: "answer_applied", offer: 2, moved: false });
    expect(client.commands.filter((command) => command.do === "make_offer").at(-1)).toMatchObject({
      offer: 3,
      transport: "keep",
      slots: { audio: 16, video: 24 },
    });
    client.on(offerMade(3));
    expect(client.lastSent()).toMatchObject({ type: "negotiate", reason: "sections" });
  });

  test("follow who speaks without an offer", () => {
    const client = new Client().joined();
    client.does();
    for (const participant of ["alan", "ada", "alan"]) {
      client.frame({ type: "slots_changed", slots: [{ mid: "2", track: `of ${participant}`, participant }] });
      expect(client.state.slots).toEqual([{ mid: "2", track: `of ${participant}`, participant }]);
    }
    expect(client.does()).toEqual([]);
  });

  test("keep what is not named, and are freed by the participant that leaves", () => {
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

describe("the roster of a large room", () => {
  test("takes joined, changed and departed participants together", () => {
    const client = new Client().joined();
    const kim = { ...ADA, id: "kim", tracks: [] };
    client.frame({ type: "participant_joined", participant: kim });
    const loud = { ...kim, name: "Kim", hand_raised_at: 5 };
    const joe = { ...kim, id: "joe" };
    client.frame({
      type: "roster_changed",
      changed: [loud, joe],
      left: [
        { participant: "ada", reason: "left" },
        { participant: "unknown", reason: "timed_out" },
      ],
    });
    expect(client.state.roster.map(({ id }) => id)).toEqual(["grace", "kim", "joe"]);
    expect(client.state.roster[1]).toEqual(loud);
    expect(client.state.slots[0]).toEqual({ mid: "2", track: null, participant: null });
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

  test("muting that is refused for now is told again a moment later, unless the user has changed their mind", () => {
    const client = new Client().joined();
    const refuse = (): void => client.frame({ type: "error", in_reply_to: client.lastSent().id, code: "rate_limited", message: "" });
    client.on({ on: "set_muted", source: "microphone", muted: true });
    refuse();
    client.pass(MUTE_AGAIN_MS - 1);
    expect(client.does()).toEqual(["send set_muted"]);
    client.pass(1);
    expect(client.does()).toEqual(["send set_muted"]);
    expect(client.lastSent()).toMatchObject({ type: "set_muted", mid: "0", muted: true });
    refuse();
    client.on({ on: "set_muted", source: "microphone", muted: false });
    client.pass(5 * MUTE_AGAIN_MS);
    expect(client.does()).toEqual([]);
  });

  test("a view that is refused for now is told again after its delay", () => {
    const client = new Client().joined().crowded();
    client.on({ on: "set_view", participants: ["alan"], lines: null });
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual(["send view"]);
    client.frame({ type: "error", in_reply_to: client.lastSent().id, code: "rate_limited", message: "" });
    expect(client.does()).toEqual([]);
    client.pass(2 * VIEW_DELAY_MS);
    expect(client.does()).toEqual(["send view"]);
    client.frame({ type: "done", in_reply_to: client.lastSent().id });
    client.pass(10 * VIEW_DELAY_MS);
    expect(client.does()).toEqual([]);
  });

  test("muting that can never be done is reported", () => {
    const client = new Client().joined();
    client.on({ on: "set_muted", source: "microphone", muted: true });
    client.frame({ type: "error", in_reply_to: client.lastSent().id, code: "unknown_track", message: "" });
    client.pass(5 * MUTE_AGAIN_MS);
    expect(client.does()).toEqual(["send set_muted", "report"]);
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

  test("a larger tile or another page is told at once, and a smaller tile or a newcomer once it has settled", () => {
    const client = new Client().joined().crowded();
    const told = (participants: string[], lines: Record<string, number> | null, withinMs: number) => {
      client.does();
      client.on({ on: "set_view", participants, lines });
      client.pass(withinMs);
      return client.does();
    };
    const soon = VIEW_GROWTH_DELAY_MS;
    expect(told(["camera-1", "camera-2"], { "camera-1": 180, "camera-2": 180 }, 2 * VIEW_DELAY_MS)).toEqual(["send view"]);
    expect(told(["camera-1", "camera-2"], { "camera-1": 720, "camera-2": 180 }, soon)).toEqual(["send view"]);
    expect(told(["camera-1", "camera-2"], { "camera-1": 180, "camera-2": 180 }, soon)).toEqual([]);
    expect(told(["camera-1", "camera-2"], { "camera-1": 180, "camera-2": 720 }, soon)).toEqual(["send view"]);
    expect(told(["camera-3", "camera-4"], { "camera-3": 180, "camera-4": 180 }, soon)).toEqual(["send view"]);
    expect(told(["camera-3", "camera-4", "camera-5"], { "camera-3": 180, "camera-4": 180, "camera-5": 180 }, soon)).toEqual([]);
    client.pass(2 * VIEW_DELAY_MS);
    client.frame({ type: "participant_left", participant: "camera-4", reason: "left" });
    expect(told(["camera-3", "camera-5", "camera-6"], { "camera-3": 720, "camera-5": 720, "camera-6": 720 }, soon)).toEqual([]);
    expect(told(["camera-3", "camera-5", "camera-6"], { "camera-3": 720, "camera-5": 720, "camera-6": 720 }, 2 * VIEW_DELAY_MS)).toEqual([
      "send view",
    ]);
  });

  test("another session begins with all layers, nothing limited and nothing undecodable", () => {
    const client = new Client().joined();
    client.frame({ type: "layers_wanted", mid: "1", rids: ["q"] });
    const slots = [{ mid: "3", wanted_bps: 1_700_000, given_bps: null }];
    client.frame({ type: "video_limited", estimate_bps: 90_000, reason: "delay", slots });
    expect(client.state.limits).toEqual({ estimateBps: 90_000, reason: "delay", slots });
    client.frame({ type: "video_undecodable", mids: ["5"] });
    expect(client.state.undecodable).toEqual(["5"]);
    expect(client.does()).toEqual(["set_layers"]);
    client.reopen();
    client.frame(resumed(2));
    expect(client.state.limits.slots).toEqual([]);
    expect(client.state.undecodable).toEqual([]);
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

  test("a large audience is a count, whose pages are asked for", () => {
    const client = new Client().joined();
    expect(client.state.room?.audience).toBeUndefined();
    client.frame({ type: "room_updated", room: { locked: false, metadata: "", participants_max: 1_000, audience: 940 } });
    expect(client.state.room?.audience).toBe(940);
    client.on({ on: "ask", request: { type: "list_audience", after: "joe" }, ticket: 7 });
    expect(client.lastSent()).toEqual({ id: 2, type: "list_audience", after: "joe" });
    client.frame({ type: "audience", in_reply_to: 2, participants: [ADA], next: "grace" });
    expect(client.commands).toContainEqual({ do: "settle", ticket: 7, failure: null });
    expect(client.state.audience).toEqual({ participants: [ADA], next: "grace" });
    client.on({ on: "ask", request: { type: "list_audience" }, ticket: 8 });
    client.frame({ type: "audience", in_reply_to: 3, participants: [], next: null });
    expect(client.state.audience).toEqual({ participants: [], next: null });
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
