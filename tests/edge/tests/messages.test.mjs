// The 59 messages of the five earlier systems: who hears each of them, who must not, and what a sender without the right gets.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Storage } from "../../browser/storage.mjs";
import { Client, OFFER } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { BOTH, BROADCASTER, Flow, HOST, VIEWER, answer, candidates, offer, requestOffer } from "../support/flow.mjs";

/** Each message of an earlier system, and the behaviour below that stands for it. */
const MESSAGES = {
  soulseer: {
    join_session: "join", leave_session: "leave", session_created: "join", session_ended: "end",
    offer: "offer", answer: "answer", ice_candidate: "candidates", connection_state: "connection",
    media_request: "request", media_response: "offer", mute_audio: "mute", mute_video: "mute", share_screen: "screen",
    start_session: "start", end_session: "end", pause_session: "pause", resume_session: "pause",
    chat_message: "chat", file_transfer: "none", session_data: "none",
    start_recording: "recording", stop_recording: "recording", recording_status: "recording",
    quality_report: "quality", connection_stats: "quality",
    error: "error", reconnect: "reconnect", timeout: "timeout",
  },
  telehealth: {
    offer: "offer", answer: "answer", "ice-candidate": "candidates", "participant-joined": "join", "participant-left": "leave",
    "media-state-changed": "mute", "quality-update": "quality",
  },
  cinema: {
    "join-room": "join", "leave-room": "leave", "webrtc-offer": "offer", "webrtc-answer": "answer", "ice-candidate": "candidates",
    "start-screen-share": "screen", "stop-screen-share": "screen", disconnect: "disconnect", "user-joined": "join", "room-state": "join",
    "transport-created": "join", error: "error",
  },
  kaa: {
    join: "join", joined: "join", "user-joined": "join", "user-left": "leave", offer: "offer", answer: "answer", "ice-candidate": "candidates",
  },
  synopticon: {
    webrtc_seek_broadcaster: "seek", webrtc_offer: "offer", webrtc_answer: "answer", webrtc_ice: "candidates", request_offer: "request",
  },
};

const everybody = (line) => ({ host: [line], guest: [line], viewer: [line], speaker: [line] });
const MUTE = (muted) => ({ type: "set_muted", mid: "0", muted });

/** In a room of a host, a guest, a viewer, and a speaker who may not subscribe. Ends with a sender without the right. */
const BEHAVIOURS = {
  async join(flow) {
    const joined = await flow.join("newcomer", {}, everybody("joined newcomer"));
    assert.deepEqual(joined.roster.map(({ id }) => id).sort(), ["guest", "host", "newcomer", "speaker", "viewer"]);
    assert.match(joined.answer, /a=candidate:/);
    await flow.ask("newcomer", { type: "leave" }, { newcomer: ["done"], ...everybody("left newcomer left") });
    flow.people.delete("newcomer");
    await flow.step("a bad token", async () => {
      const client = await Client.connect(flow.edge, flow.room, "mallory", { token: "none" });
      assert.equal((await client.next("refused")).code, "bad_token");
    });
  },
  async leave(flow) {
    await flow.join("newcomer", {}, everybody("joined newcomer"));
    await flow.ask("newcomer", { type: "leave" }, { newcomer: ["done"], ...everybody("left newcomer left") });
    flow.people.delete("newcomer");
    await flow.step("not in the room", async () => {
      const client = await Client.connect(flow.edge, flow.room, "mallory");
      assert.equal(await client.refusal({ type: "leave" }), "not_joined");
    });
  },
  async offer(flow) {
    await flow.tell("guest", "host", offer(BOTH), { host: ["offer from guest"] });
    await flow.tell("speaker", "viewer", offer(), { viewer: ["offer from speaker"] });
    await flow.tell("viewer", "host", offer(BOTH), { viewer: ["error forbidden"] });
  },
  async answer(flow) {
    await flow.tell("host", "guest", answer(BOTH), { guest: ["answer from host"] });
    await flow.tell("viewer", "speaker", answer(), { speaker: ["answer from viewer"] });
    await flow.tell("viewer", "host", answer(BOTH), { viewer: ["error forbidden"] });
    await flow.tell("speaker", "viewer", answer(), { speaker: ["error forbidden"] });
  },
  async candidates(flow) {
    await flow.tell("host", "guest", candidates(), { guest: ["candidates from host"] });
    await flow.tell("viewer", "speaker", candidates(), { speaker: ["candidates from viewer"] });
    await flow.join("other", { grants: VIEWER, tracks: [] }, everybody("joined other"));
    await flow.tell("viewer", "other", candidates(), { viewer: ["error forbidden"] });
    await flow.ask("other", { type: "leave" }, everybody("left other left"));
    flow.people.delete("other");
  },
  async request(flow) {
    await flow.tell("viewer", "speaker", requestOffer, { speaker: ["request_offer from viewer"] });
    await flow.tell("host", "viewer", requestOffer, { host: ["error forbidden"] });
    await flow.tell("speaker", "host", requestOffer, { speaker: ["error forbidden"] });
  },
  async seek(flow) {
    await flow.ask("viewer", { type: "seek" }, { ...everybody("sought by viewer"), viewer: ["done"] });
    await flow.ask("speaker", { type: "seek" }, { speaker: ["error forbidden"] });
  },
  async mute(flow) {
    await flow.ask("guest", MUTE(true), { ...everybody("updated guest"), guest: ["done", "updated guest"] });
    assert.equal(flow.heard.get("viewer")[0].participant.tracks[0].muted, true);
    await flow.ask("guest", MUTE(false), { ...everybody("updated guest"), guest: ["done", "updated guest"] });
    await flow.ask("viewer", MUTE(true), { viewer: ["error unknown_track"] });
  },
  async screen(flow) {
    const share = (...more) => ({ type: "negotiate", offer: OFFER, tracks: [{ mid: "0", source: "microphone" }, ...more], reason: "sections" });
    const screen = { mid: "1", source: "screen" };
    await flow.ask("guest", share(screen), { ...everybody("updated guest"), guest: ["negotiated", "updated guest"] });
    assert.deepEqual(flow.heard.get("viewer")[0].participant.tracks.map(({ source }) => source), ["microphone", "screen"]);
    await flow.ask("guest", share(), { ...everybody("updated guest"), guest: ["negotiated", "updated guest"] });
    await flow.ask("viewer", share(screen), { viewer: ["error forbidden"] });
  },
  async connection(flow) {
    const isUp = async () => {
      (await flow.node.serving(flow.room)).connected(flow.client("guest").session.session);
      await flow.client("host").next("participant_updated");
    };
    await flow.step("the guest's media is up", isUp, everybody("updated guest"));
    assert.equal(flow.heard.get("viewer")[0].participant.connection, "connected");
    await flow.ask("guest", { type: "connection_state", state: "connected" }, { guest: ["error unknown_message"] });
  },
  async recording(flow) {
    await flow.ask("guest", { type: "start_recording" }, { guest: ["error forbidden"] });
    await flow.ask("host", { type: "start_recording" }, { ...everybody("recording starting"), host: ["done", "recording starting"] });
    await flow.ask("guest", { type: "stop_recording" }, { guest: ["error forbidden"] });
    await flow.ask("host", { type: "stop_recording" }, { ...everybody("recording finishing"), host: ["done", "recording finishing"] });
  },
  async quality(flow) {
    await flow.step("a node's report", async () => {
      const response = await fetch(`${flow.edge.http}/v1/nodes/quality`, { method: "POST", body: "{}", headers: { authorization: "Bearer none", connection: "close" } });
      assert.equal(response.status, 401);
    });
    await flow.ask("guest", { type: "quality_report", lost: 1 }, { guest: ["error unknown_message"] });
  },
  async error(flow) {
    await flow.ask("guest", { type: "chat", message: "m1" }, { guest: ["error invalid_message"] });
  },
  async reconnect(flow) {
    const { session } = flow.client("viewer");
    await flow.step("a lost connection", async () => {
      flow.client("viewer").terminate();
      flow.people.delete("viewer");
      await flow.client("host").next("participant_updated");
    }, { host: ["updated viewer"], guest: ["updated viewer"], speaker: ["updated viewer"] });
    await flow.step("a guessed secret", async () => {
      const client = await Client.connect(flow.edge, flow.room, "viewer");
      assert.equal((await client.resume({ ...session, resume_token: "0".repeat(32) })).code, "session_expired");
    });
    await flow.step("the right one", async () => {
      const client = await flow.connect("viewer");
      await client.resume(session);
    }, { viewer: ["resumed"], host: ["updated viewer"], guest: ["updated viewer"], speaker: ["updated viewer"] });
  },
  async disconnect(flow) {
    await flow.join("newcomer", {}, everybody("joined newcomer"));
    await flow.step("a lost connection", async () => {
      flow.client("newcomer").terminate();
      flow.people.delete("newcomer");
      await flow.client("host").next("participant_updated");
    }, everybody("updated newcomer"));
    assert.equal(flow.heard.get("host")[0].participant.connection, "reconnecting");
    await flow.ask("host", { type: "kick", participant: "newcomer" }, { ...everybody("left newcomer kicked"), host: ["done", "left newcomer kicked"] });
  },
  async timeout(flow) {
    await flow.step("a socket without a frame", async () => {
      assert.equal((await flow.late.find(({ type }) => type === "refused", "the refusal")).code, "timeout");
    });
  },
  async start(flow) {
    await flow.ask("guest", { type: "start_room" }, { guest: ["error forbidden"] });
    await flow.step("the host's media is up too", async () => {
      (await flow.node.serving(flow.room)).connected(flow.client("host").session.session);
      await flow.client("guest").next("participant_updated");
    }, everybody("updated host"));
  },
  async pause(flow) {
    await flow.ask("guest", { type: "pause_room" }, { guest: ["error forbidden"] });
    await flow.ask("host", { type: "pause_room", reason: "a break" }, { host: ["done"] });
    for (const client of flow.people.values()) assert.equal(client.frames.findLast(({ type }) => type === "room_updated").room.state, "paused");
    await flow.ask("guest", { type: "resume_room" }, { guest: ["error forbidden"] });
    await flow.ask("host", { type: "resume_room" }, { host: ["done"] });
    for (const client of flow.people.values()) assert.notEqual(client.frames.findLast(({ type }) => type === "room_updated").room.state, "paused");
  },
  async chat(flow) {
    const write = { type: "chat", message: "m1", text: "hi" };
    await flow.ask("viewer", write, { ...everybody("chat viewer: hi"), viewer: ["done", "chat viewer: hi"] });
    await flow.ask("speaker", write, { speaker: ["error forbidden"] });
  },
  /** Verbs that no part of the room has: nobody hears them, and their sender is told. */
  async none(flow) {
    for (const type of ["file_transfer", "session_data"]) {
      await flow.ask("guest", { type }, { guest: ["error unknown_message"] });
    }
  },
  async end(flow) {
    await flow.ask("guest", { type: "end_room" }, { guest: ["error forbidden"] });
    await flow.ask("host", { type: "end_room" }, { ...everybody("removed room_closed"), host: ["done", "removed room_closed"] });
    flow.people.clear();
  },
};

let edge;
let storage;
before(async () => {
  storage = await Storage.start();
  edge = await startEdge({ vars: storage.workerVars });
});
after(async () => {
  await edge.stop();
  await storage.kill();
});

test("the table has 59 messages, and a behaviour for each", () => {
  const all = Object.values(MESSAGES).flatMap((messages) => Object.values(messages));
  assert.deepEqual(Object.values(MESSAGES).map((messages) => Object.keys(messages).length), [28, 7, 12, 7, 5]);
  assert.equal(all.length, 59);
  assert.deepEqual([...new Set(all)].sort(), Object.keys(BEHAVIOURS).sort());
});

// Holds S-A7-05, S4-SIG-07.
test("each message is heard by whom it is for, and by nobody else", () =>
  Flow.play(edge, "messages", undefined, async (flow) => {
    flow.late = await Client.connect(edge, "messages", "late");
    await flow.join("host", { grants: HOST });
    await flow.join("guest", { tracks: [{ mid: "0", source: "microphone" }] }, { host: ["joined guest"] });
    await flow.join("viewer", { grants: VIEWER, tracks: [] }, { host: ["joined viewer"], guest: ["joined viewer"] });
    await flow.join("speaker", { grants: { ...BROADCASTER, chat: false }, tracks: [] }, { host: ["joined speaker"], guest: ["joined speaker"], viewer: ["joined speaker"] });
    for (const [name, behave] of Object.entries(BEHAVIOURS)) {
      await behave(flow).catch((error) => {
        error.message = `${name}: ${error.message}`;
        throw error;
      });
    }
  }));
