// The rules of a room: set by the application, changed while the room is in use, and told to everybody.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, OFFER } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

let edge, node;
before(async () => {
  edge = await startEdge();
  node = await MediaNode.start(edge);
});
after(() => edge.stop());

const HOST = { claims: { grants: { moderate: true, record: true } } };
const ALL_ON = { chat: true, screen_share: true, file_transfer: true, recording: true, whiteboard: true, reactions: true };
const create = async (name, body) => (await edge.api("POST", "/v1/rooms", { body: { name, ...body } })).body;
const patch = (name, body) => edge.api("PATCH", `/v1/rooms/${name}`, { body });

// Holds S0-ROOM-01, S2-ROOM-01.
test("a room has a type, a size, a longest duration, features, a quality, invited participants and metadata", async () => {
  const invited = ["ada", "bob"];
  const features = { ...ALL_ON, file_transfer: false, recording: false };
  const config = { room_type: "cinema", participants_max: 7, duration_ms_max: 60_000, quality: "cinema", public: true, metadata: "m", invited };
  const made = await create("config", { ...config, features: { file_transfer: false, recording: false } });
  for (const [name, value] of Object.entries({ ...config, features, participants: 0 })) assert.deepEqual(made[name], value, name);
  await edge.hibernate("config");
  const ada = await Client.join(edge, "config", "ada", HOST);
  const { room_type, quality, metadata, participants_max } = ada.joined.room;
  assert.deepEqual([room_type, ada.joined.room.public, quality, metadata, participants_max], ["cinema", true, "cinema", "m", 7]);
  assert.deepEqual(ada.joined.room.features, features);
  for (const room_type of ["mansion", "private", "appointment", "instant", "chat", "voice", "video"]) {
    assert.equal((await patch("config", { room_type })).body.room_type, room_type);
  }
  checkRefused(await patch("config", { room_type: "garden" }), 400, "invalid_request");
  assert.equal((await patch("config", { room_type: "private" })).body.public, false, "a private room is not listed");
});

// Holds S0-ROOM-02.
test("each of six features can be turned off while the room is in use, and everybody is told", async () => {
  await create("features", {});
  const ada = await Client.join(edge, "features", "ada", HOST);
  const bob = await Client.join(edge, "features", "bob", { tracks: [{ mid: "0", source: "microphone" }, { mid: "1", source: "screen" }] });
  assert.deepEqual((await edge.api("GET", "/v1/rooms/features")).body.features, ALL_ON);
  const link = await node.serving("features");
  for (const feature of Object.keys(ALL_ON)) {
    assert.equal((await ada.request({ type: "update_room", features: { [feature]: false } })).type, "done");
    const { room } = await bob.next(({ type, room }) => type === "room_updated" && room.features?.[feature] === false);
    assert.deepEqual(room.features, { ...ALL_ON, [feature]: false });
    await edge.hibernate("features");
    if (feature === "chat") assert.equal(await bob.refusal({ type: "chat", message: "m1", text: "hello" }), "feature_off");
    if (feature === "reactions") assert.equal(await bob.refusal({ type: "react", reaction: "clap" }), "feature_off");
    if (feature !== "screen_share") continue;
    await ada.find(({ type, participant }) => type === "participant_updated" && participant.id === "bob" && participant.tracks.length === 1, "bob's screen is gone");
    // The node drops what bob still sends.
    const closed = ({ type, session }) => type === "set_session" && session.session === bob.joined.session && session.sections[1].flow === "inactive";
    await link.find(closed, "the node is told");
    const again = { type: "negotiate", offer: OFFER, reason: "sections", tracks: [{ mid: "1", source: "screen" }] };
    assert.equal(await bob.refusal(again), "feature_off");
  }
});

// Holds S2-ROOM-04.
test("a viewer only subscribes; public rooms are listed, private ones admit the invited", async () => {
  await create("open-house", { public: true });
  await create("closed-house", { room_type: "private", invited: ["ada"] });
  const listed = async (query) => (await edge.api("GET", `/v1/rooms?limit=100${query}`)).body.rooms.map(({ name }) => name);
  assert.ok((await listed("")).includes("closed-house"));
  const names = await listed("&public=true");
  assert.ok(names.includes("open-house") && !names.includes("closed-house"));
  checkRefused(await edge.api("GET", "/v1/rooms?public=maybe"), 400, "invalid_request");
  const eve = await Client.connect(edge, "closed-house", "eve");
  assert.equal((await eve.join()).code, "not_invited");
  await Client.join(edge, "closed-house", "ada");
  const viewer = await Client.connect(edge, "open-house", "viewer", { claims: { grants: { publish: false } } });
  assert.equal((await viewer.join()).code, "forbidden");
  assert.equal((await viewer.join({ tracks: [] })).type, "joined");
});

test("a second connection of a participant replaces the first, or is rejected", async () => {
  await create("twice", {});
  const first = await Client.join(edge, "twice", "ada");
  const second = await Client.join(edge, "twice", "ada");
  assert.equal((await first.find(({ type }) => type === "removed", "the first ends")).code, "replaced");
  assert.equal((await patch("twice", { duplicates: "reject" })).body.duplicates, "reject");
  const third = await Client.connect(edge, "twice", "ada");
  assert.equal((await third.join()).code, "duplicate_identity");
  assert.equal((await second.request({ type: "raise_hand", raised: true })).type, "done");
});

test("where duplicates are allowed, one identity is there several times, as participants of their own", async () => {
  await create("beside", { duplicates: "allow" });
  const kim = await Client.join(edge, "beside", "kim", { ...HOST, tracks: [] });
  const tabs = [await Client.join(edge, "beside", "ada"), await Client.join(edge, "beside", "ada", { attempt: "second" })];
  const [first, second] = tabs;
  assert.deepEqual(tabs.map(({ joined }) => joined.participant), ["ada", "ada~2"]);
  assert.deepEqual(second.joined.roster.map(({ id, name }) => [id, name]), [["kim", "kim"], ["ada", "ada"], ["ada~2", "ada"]]);
  assert.equal((await second.request({ type: "chat", message: "m1", text: "hello" })).type, "done");
  assert.equal((await first.find(({ type }) => type === "chat", "the first hears the second")).messages[0].participant, "ada~2");
  await edge.hibernate("beside");
  // Each comes back to its own place, with the same token.
  second.terminate();
  await kim.find(({ participant }) => participant?.id === "ada~2" && participant.connection === "reconnecting", "the second is away");
  const back = await Client.connect(edge, "beside", "ada");
  assert.equal((await back.resume(second.session)).type, "resumed");
  assert.equal((await first.request({ type: "raise_hand", raised: true })).type, "done", "the first is still there");
  // A grant that a moderator takes from one of them is taken from all, and from a further one.
  assert.equal((await kim.request({ type: "update_participant", participant: "ada~2", grants: { publish: false } })).type, "done");
  for (const id of ["ada", "ada~2"]) await kim.find(({ participant }) => participant?.id === id && participant.grants?.publish === false, `${id} publishes nothing`);
  const third = await Client.connect(edge, "beside", "ada");
  assert.equal((await third.join()).code, "forbidden");
  assert.equal((await third.join({ tracks: [] })).participant, "ada~3");
  for (let number = 4; number <= 8; number += 1) await Client.join(edge, "beside", "ada", { tracks: [] });
  const ninth = await Client.connect(edge, "beside", "ada");
  assert.equal((await ninth.join({ tracks: [] })).code, "duplicate_identity");
  // A removal concerns one of them, a ban the identity.
  assert.equal((await kim.request({ type: "kick", participant: "ada~3" })).type, "done");
  assert.equal((await third.find(({ type }) => type === "removed", "the third is removed")).code, "kicked");
  assert.equal((await first.request({ type: "raise_hand", raised: false })).type, "done");
  assert.equal((await edge.api("PUT", "/v1/rooms/beside/bans/ada~2", { body: {} })).status, 204);
  for (const client of [first, back]) assert.equal((await client.find(({ type }) => type === "removed", "all are removed")).code, "kicked");
  assert.deepEqual((await edge.api("GET", "/v1/rooms/beside/bans")).body.bans.map(({ participant }) => participant), ["ada"]);
  const banned = await Client.connect(edge, "beside", "ada");
  assert.equal((await banned.join({ tracks: [] })).code, "banned");
  // Only the room gives such ids.
  const forged = await Client.connect(edge, "beside", "ada~2");
  assert.equal((await forged.next("refused")).code, "bad_token");
  checkRefused(await edge.api("POST", "/v1/tokens", { body: { room: "beside", participant: "ada~2" } }), 400, "invalid_request");
});

// Holds S1-ROOM-02.
test("an appointment is scheduled, active and ended; an instant room is open at once", async () => {
  const made = await create("appointment", { room_type: "appointment", starts_at: Date.now() + 3_600_000 });
  assert.deepEqual([made.room_type, made.state], ["appointment", "scheduled"]);
  await edge.api("POST", "/v1/rooms/appointment/start");
  await Client.join(edge, "appointment", "ada");
  assert.equal((await edge.api("POST", "/v1/rooms/appointment/start")).body.state, "active");
  await edge.api("DELETE", "/v1/rooms/appointment");
  assert.equal((await edge.api("GET", "/v1/rooms/appointment/calls")).body.calls[0].state, "ended");
  assert.equal((await create("instant", {})).room_type, "instant");
});
