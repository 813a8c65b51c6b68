// The states of a call, through the API and over signaling, with a sleep of the room after every step.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

/** Alarms are not exact, and a machine may be busy. */
const PATIENCE_MS = 15_000;

let edge, node;
before(async () => {
  edge = await startEdge();
  node = await MediaNode.start(edge);
});
after(() => edge.stop());

const host = { claims: { grants: { moderate: true } } };
const show = async (room) => (await edge.api("GET", `/v1/rooms/${room}`)).body;
const calls = async (room) => (await edge.api("GET", `/v1/rooms/${room}/calls`)).body.calls;
const inState = (state) => (frame) => frame.type === "room_updated" && frame.room.state === state;

/** The API and everybody in the room agree about the state; then the room sleeps. */
async function reaches(room, state, ...people) {
  for (const person of people) await person.next(inState(state));
  assert.equal((await show(room)).state, state);
  await edge.hibernate(room);
}

async function post(room, verb, body) {
  return edge.api("POST", `/v1/rooms/${room}/${verb}`, body === undefined ? {} : { body });
}

// Holds S0-SM-01, S0-SM-02, S0-SIG-05, S0-ROOM-05, S1-SM-01.
test("a call goes from created to ended, and everybody is told of each state", async () => {
  const made = await edge.api("POST", "/v1/rooms", { body: { name: "states" } });
  assert.equal(made.body.state, "created");
  assert.equal(made.body.started_at, null);
  await reaches("states", "created");
  checkRefused(await post("states", "pause", {}), 409, "wrong_state");
  const ada = await Client.join(edge, "states", "ada", host);
  assert.equal(ada.joined.room.state, "waiting");
  await reaches("states", "waiting");
  const bob = await Client.join(edge, "states", "bob");
  assert.equal(bob.joined.room.state, "connecting");
  await reaches("states", "connecting", ada);
  const link = await node.serving("states");
  for (const { joined } of [ada, bob]) link.send({ type: "session_connected", session: joined.session });
  await reaches("states", "active", ada, bob);
  const { started_at } = await show("states");
  assert.ok(started_at >= made.body.created_at && started_at <= Date.now());

  assert.equal(await bob.refusal({ type: "pause_room" }), "forbidden");
  assert.equal((await ada.request({ type: "pause_room", reason: "a break" })).type, "done");
  const { room } = await bob.next(inState("paused"));
  assert.equal(room.reason, "a break");
  const stops = await link.find(({ type, forwards }) => type === "set_forwards" && forwards.every(({ track }) => track === null), "the node forwards nothing");
  assert.equal(stops.forwards.length, 4, "both participants' microphones and cameras");
  await reaches("states", "paused", ada);
  assert.equal((await ada.request({ type: "resume_room" })).type, "done");
  await link.find(({ type, forwards }) => type === "set_forwards" && forwards.length === 4 && forwards.every(({ track }) => track !== null), "the node forwards again");
  await reaches("states", "active", ada, bob);

  link.send({ type: "session_closed", session: ada.joined.session, end: "consent_expired" });
  link.send({ type: "session_closed", session: bob.joined.session, end: "consent_expired" });
  await reaches("states", "reconnecting", ada, bob);
  assert.equal((await ada.request({ type: "end_room", reason: "over" })).type, "done");
  await bob.next(inState("ending"));
  assert.equal((await bob.find(({ type }) => type === "removed", "bob is removed")).code, "room_closed");
  const [call, ...others] = await calls("states");
  assert.deepEqual(others, []);
  const { created_at, ended_at, ...rest } = call;
  assert.deepEqual(rest, { state: "ended", started_at, end: "closed", reason: "over" });
  assert.ok(created_at === made.body.created_at && ended_at >= started_at);
  await edge.hibernate("states");
  assert.deepEqual(await calls("states"), [call], "a past call outlives its room");
});

// Holds S0-ROOM-03.
test("a call ends by itself when its longest duration is over, asleep or not", async () => {
  await edge.api("POST", "/v1/rooms", { body: { name: "short", duration_ms_max: 3_000 } });
  const ada = await Client.join(edge, "short", "ada", host);
  assert.equal((await ada.request({ type: "start_room" })).type, "done");
  const { room } = await ada.next(inState("active"));
  assert.equal(room.ends_at, room.started_at + 3_000);
  await edge.hibernate("short");
  const removed = await ada.next("removed", PATIENCE_MS);
  assert.equal(removed.code, "time_limit");
  assert.ok(Date.now() >= room.ends_at);
  const [call] = await calls("short");
  assert.deepEqual([call.state, call.end], ["ended", "time_limit"]);
});

test("a scheduled call begins at its time, asleep or not; before it, only moderators join", async () => {
  const starts_at = Date.now() + 4_000;
  const made = await edge.api("POST", "/v1/rooms", { body: { name: "later", starts_at } });
  assert.deepEqual([made.body.state, made.body.starts_at], ["scheduled", starts_at]);
  await edge.hibernate("later");
  const early = await Client.connect(edge, "later", "bob");
  assert.equal((await early.join()).code, "not_started");
  const ada = await Client.join(edge, "later", "ada", host);
  assert.equal(ada.joined.room.state, "scheduled");
  await edge.hibernate("later");
  await ada.next(inState("waiting"), PATIENCE_MS);
  assert.ok(Date.now() >= starts_at);
  const bob = await Client.join(edge, "later", "bob");
  assert.equal(bob.joined.room.state, "connecting");
  const started = await post("later", "start");
  assert.deepEqual([started.status, started.body.state], [200, "active"]);
  assert.equal((await edge.api("DELETE", "/v1/rooms/later")).status, 204);
  assert.deepEqual((await calls("later")).map(({ state }) => state), ["ended"]);
});

// Holds S1-SM-02.
test("a lost call is reconnected, or has failed and then ended, and the next one begins; recording is no state", async () => {
  const ada = await Client.join(edge, "lost", "ada", { claims: { grants: { moderate: true, record: true } } });
  const link = await node.serving("lost");
  await post("lost", "start");
  link.send({ type: "session_connected", session: ada.joined.session });
  await ada.find((frame) => frame.participant?.connection === "connected", "ada is connected");
  await reaches("lost", "active", ada);
  const lose = () => link.send({ type: "session_closed", session: ada.joined.session, end: "consent_expired" });
  lose();
  await reaches("lost", "reconnecting", ada);
  link.send({ type: "session_connected", session: ada.joined.session });
  await reaches("lost", "active", ada);
  lose();
  await reaches("lost", "reconnecting", ada);
  ada.terminate();
  for (const until = Date.now() + 45_000; (await show("lost")).state !== "failed"; ) {
    assert.ok(Date.now() < until, "the call has not failed");
    await setTimeout(1_000);
  }
  await edge.hibernate("lost");
  const again = await Client.join(edge, "lost", "ada", host);
  assert.equal(again.joined.room.state, "waiting");
  const [current, past] = await calls("lost");
  assert.deepEqual([current.state, past.state, past.end], ["waiting", "ended", "connection_lost"]);
});

test("a call may be scheduled for a time that is beyond the platform's clock", async () => {
  const starts_at = Date.UTC(2820, 0, 1);
  const made = await edge.api("POST", "/v1/rooms", { body: { name: "distant", starts_at } });
  assert.deepEqual([made.status, made.body.state, made.body.starts_at], [201, "scheduled", starts_at]);
  await edge.hibernate("distant");
  assert.equal((await show("distant")).state, "scheduled");
});
