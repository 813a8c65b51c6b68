// A call as seen by its clients and its node: participants, slots, departures and their reasons.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, OFFER, OFFER_ICE_RESTART } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode, fingerprintOf } from "../support/node.mjs";

let edge;
let node;
before(async () => {
  edge = await startEdge();
  node = await MediaNode.start(edge);
});
after(() => edge.stop());

const ids = (roster) => roster.map(({ id }) => id).sort();
const playing = (slots) => slots.filter(({ track }) => track).map(({ participant }) => participant);
const joinedBy = (participant) => (frame) => frame.type === "participant_joined" && frame.participant.id === participant;
const updated = (participant, test) => (frame) =>
  frame.type === "participant_updated" && frame.participant.id === participant && test(frame.participant);

// Holds S0-SIG-01.
test("a join is one round trip: answer, roster, slots and ICE servers", async () => {
  const ada = await Client.connect(edge, "first", "ada", { claims: { name: "Ada €" } });
  const joined = await ada.join();
  assert.equal(joined.type, "joined");
  assert.deepEqual(ids(joined.roster), ["ada"]);
  const [me] = joined.roster;
  assert.equal(me.name, "Ada €");
  assert.deepEqual(
    me.tracks.map(({ mid, kind, source, muted }) => ({ mid, kind, source, muted })),
    [
      { mid: "0", kind: "audio", source: "microphone", muted: false },
      { mid: "1", kind: "video", source: "camera", muted: false },
    ],
  );
  assert.equal(joined.slots.length, 16);
  assert.deepEqual(playing(joined.slots), []);
  assert.deepEqual(joined.ice_servers, [{ urls: ["stun:stun.example.org:3478"] }]);
  assert.match(joined.answer, /^v=0\r\n/);
  assert.match(joined.answer, /a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 7000 typ host/);
  assert.ok(joined.answer.includes(`a=fingerprint:sha-256 ${fingerprintOf("n1")}\r\n`));
  assert.match(joined.answer, /a=ice-lite/);

  const link = await node.serving("first");
  const session = link.sessions.get(joined.session);
  assert.equal(session.participant, "ada");
  assert.equal(session.sections.length, 18);
  assert.ok(joined.answer.includes(`a=ice-ufrag:${session.ice.node_ufrag}\r\n`));
  assert.ok(joined.answer.includes(`a=ice-pwd:${session.ice.node_pwd}\r\n`));
  await ada.close();
});

test("joining again with the same attempt is joining once", async () => {
  const ada = await Client.connect(edge, "twice", "ada");
  const first = await ada.join({ attempt: "attempt-1" });
  const again = await ada.join({ attempt: "attempt-1" });
  assert.deepEqual({ ...again, in_reply_to: 0 }, { ...first, in_reply_to: 0 });
  assert.equal(await ada.refusal({ type: "join", attempt: "attempt-2", offer: OFFER }), "already_joined");
  await ada.close();
});

// Holds S1-ROOM-05, S2-SIG-06, S4-SIG-06.
test("three see and hear each other: roster, slots, forwards", async () => {
  const ada = await Client.join(edge, "three", "ada");
  const bob = await Client.join(edge, "three", "bob");
  assert.deepEqual(ids(bob.joined.roster), ["ada", "bob"]);
  assert.deepEqual(playing(bob.joined.slots), ["ada", "ada"]);
  await ada.next(joinedBy("bob"));
  const { slots } = await ada.next("slots_changed");
  assert.deepEqual(playing(slots), ["bob", "bob"]);

  const eve = await Client.join(edge, "three", "eve");
  assert.deepEqual(ids(eve.joined.roster), ["ada", "bob", "eve"]);
  assert.deepEqual(playing(eve.joined.slots).sort(), ["ada", "ada", "bob", "bob"]);
  for (const other of [ada, bob]) {
    await other.next(joinedBy("eve"));
    assert.deepEqual(playing((await other.next("slots_changed")).slots), ["eve", "eve"]);
  }

  // Clients and node are told the same: two tracks from each of two others, to each of three.
  const link = await node.serving("three");
  await link.settle();
  const forwards = [...link.forwards].filter(([, track]) => track);
  assert.equal(forwards.length, 12);
  const bobs = link.forwards.get(`${ada.joined.session}/${slots[0].mid}`);
  assert.equal(bobs.session, bob.joined.session);
  await Promise.all([ada, bob, eve].map((client) => client.close()));
});

// Holds S4-TEST-05.
test("media up, mute and camera state reach everybody", async () => {
  const ada = await Client.join(edge, "mute", "ada");
  const bob = await Client.join(edge, "mute", "bob");
  const link = await node.serving("mute");
  link.connected(bob.joined.session);
  await ada.next(updated("bob", ({ connection }) => connection === "connected"));

  assert.equal((await bob.request({ type: "set_muted", mid: "1", muted: true })).type, "done");
  const { participant } = await ada.next(updated("bob", ({ tracks }) => tracks[1].muted));
  assert.equal(participant.tracks[0].muted, false);
  assert.equal((await bob.request({ type: "set_muted", mid: "1", muted: false })).type, "done");
  await ada.next(updated("bob", ({ tracks }) => !tracks[1].muted));
  assert.equal(await bob.refusal({ type: "set_muted", mid: "9", muted: true }), "unknown_track");
  await Promise.all([ada.close(), bob.close()]);
});

// Holds S0-SIG-02, S4-TEST-07.
test("who leaves is gone at once, and the slots are free again", async () => {
  const ada = await Client.join(edge, "leave", "ada");
  const bob = await Client.join(edge, "leave", "bob");
  const link = await node.serving("leave");
  assert.equal((await bob.request({ type: "leave" })).type, "done");
  assert.equal((await bob.ended()).code, 1000);
  assert.deepEqual(await ada.next("participant_left"), { type: "participant_left", participant: "bob", reason: "left" });
  await ada.settle();
  const last = new Map(ada.frames.filter(({ type }) => type === "slots_changed").flatMap(({ slots }) => slots.map((slot) => [slot.mid, slot])));
  assert.deepEqual(playing([...last.values()]), []);
  await link.settle();
  assert.deepEqual([...link.sessions.keys()], [ada.joined.session]);
  await ada.close();
});

test("a moderator removes a participant, others cannot", async () => {
  const ada = await Client.join(edge, "kick", "ada", { claims: { grants: { moderate: true } } });
  const bob = await Client.join(edge, "kick", "bob");
  assert.equal(await bob.refusal({ type: "kick", participant: "ada" }), "forbidden");
  assert.equal(await ada.refusal({ type: "kick", participant: "nobody" }), "unknown_participant");
  assert.equal((await ada.request({ type: "kick", participant: "bob", reason: "spam" })).type, "done");
  assert.deepEqual(await bob.next("removed"), { type: "removed", code: "kicked", reason: "spam" });
  assert.equal((await bob.ended()).code, 4001);
  assert.equal((await ada.next("participant_left")).reason, "kicked");
  await ada.close();
});

test("a full room says so and admits the next participant when one leaves", async () => {
  const claims = { participants_max: 2 };
  const ada = await Client.join(edge, "full", "ada", { claims });
  const bob = await Client.join(edge, "full", "bob", { claims });
  const eve = await Client.connect(edge, "full", "eve", { claims: { participants_max: 100 } });
  assert.equal((await eve.join()).code, "room_full");
  await bob.request({ type: "leave" });
  assert.equal((await eve.join()).type, "joined");
  await Promise.all([ada.close(), eve.close()]);
});

test("a reload replaces the session: the old socket is told, the others see the same participant", async () => {
  const ada = await Client.join(edge, "reload", "ada");
  const before = await Client.join(edge, "reload", "bob");
  const after = await Client.join(edge, "reload", "bob");
  assert.deepEqual(await before.next("removed"), { type: "removed", code: "replaced", reason: null });
  assert.equal((await before.ended()).code, 4001);
  assert.notEqual(after.joined.session, before.joined.session);
  assert.deepEqual(ids(after.joined.roster), ["ada", "bob"]);
  await ada.settle();
  assert.ok(!ada.frames.some(({ type }) => type === "participant_left"), "bob never left");
  const link = await node.serving("reload");
  await link.settle();
  assert.deepEqual([...link.sessions.keys()].sort(), [ada.joined.session, after.joined.session].sort());
  await Promise.all([ada.close(), after.close()]);
});

// Holds S0-SIG-09, S4-TEST-06.
test("a lost socket is resumed: what was missed is in the roster, the media session is the same", async () => {
  const ada = await Client.join(edge, "resume", "ada");
  const bob = await Client.join(edge, "resume", "bob");
  const link = await node.serving("resume");
  link.connected(bob.joined.session);
  await ada.next(updated("bob", ({ connection }) => connection === "connected"));
  bob.terminate();
  await ada.next(updated("bob", ({ connection }) => connection === "reconnecting"));
  const eve = await Client.join(edge, "resume", "eve");

  const back = await Client.connect(edge, "resume", "bob");
  const resumed = await back.resume(bob.session);
  assert.equal(resumed.type, "resumed");
  assert.equal(resumed.transport_dead, false);
  assert.deepEqual(ids(resumed.roster), ["ada", "bob", "eve"]);
  assert.deepEqual([...new Set(playing(resumed.slots))].sort(), ["ada", "eve"]);
  await ada.next(updated("bob", ({ connection }) => connection === "connected"));
  assert.ok(link.sessions.has(bob.joined.session));
  assert.equal((await back.request({ type: "set_muted", mid: "0", muted: true })).type, "done");
  await Promise.all([ada, back, eve].map((client) => client.close()));
});

// Holds S4-SIG-05, S4-SEC-01.
test("nobody resumes another participant's session, or one that is over", async () => {
  const ada = await Client.join(edge, "thief", "ada");
  const mallory = await Client.connect(edge, "thief", "mallory");
  assert.equal((await mallory.resume(ada.session)).code, "session_expired");
  const guess = await Client.connect(edge, "thief", "ada");
  assert.equal((await guess.resume({ ...ada.session, resume_token: "0".repeat(32) })).code, "session_expired");
  await ada.request({ type: "leave" });
  assert.equal((await guess.resume(ada.session)).code, "session_expired");
  await Promise.all([mallory.close(), guess.close()]);
});

// Holds S2-SM-01, S3-SM-01, S4-SIG-07, S-A7-05.
test("an ICE restart is answered with new credentials for the same session", async () => {
  const bob = await Client.join(edge, "restart", "bob");
  const ada = await Client.join(edge, "restart", "ada");
  const link = await node.serving("restart");
  await link.settle();
  const before = link.sessions.get(ada.joined.session).ice;
  const negotiated = await ada.request({ type: "negotiate", offer: OFFER_ICE_RESTART, tracks: [], reason: "ice_restart" });
  assert.equal(negotiated.type, "negotiated");
  assert.equal(negotiated.session, ada.joined.session);
  await link.settle();
  const now = link.sessions.get(ada.joined.session).ice;
  assert.notEqual(now.node_ufrag, before.node_ufrag);
  assert.notEqual(now.client_ufrag, before.client_ufrag);
  assert.ok(negotiated.answer.includes(`a=ice-ufrag:${now.node_ufrag}\r\n`));
  await bob.settle();
  assert.ok(!bob.frames.some((frame) => frame !== bob.joined && JSON.stringify(frame).includes("ice-ufrag")), "offers and answers are nobody else's");
  await Promise.all([ada.close(), bob.close()]);
});

// Holds S-A7-16.
test("without grants nothing is published and nothing is received", async () => {
  const ada = await Client.join(edge, "grants", "ada");
  const publisher = await Client.connect(edge, "grants", "publisher", { claims: { grants: { publish: false } } });
  assert.equal((await publisher.join()).code, "forbidden");
  const watcher = await Client.join(edge, "grants", "watcher", { tracks: [], claims: { grants: { publish: false } } });
  assert.deepEqual(playing(watcher.joined.slots), ["ada", "ada"]);
  const deaf = await Client.join(edge, "grants", "deaf", { claims: { grants: { subscribe: false } } });
  assert.deepEqual([deaf.joined.type, playing(deaf.joined.slots)], ["joined", []]);
  const bob = await Client.join(edge, "grants", "bob");
  const link = await node.serving("grants");
  await Promise.all([link.settle(), deaf.settle()]);
  assert.deepEqual(deaf.frames.filter((frame) => frame.type === "slots_changed" && playing(frame.slots).length > 0), []);
  const receives = ({ joined }) => [...link.forwards].some(([forward, track]) => track !== null && forward.startsWith(`${joined.session}/`));
  assert.deepEqual([ada, bob, watcher, deaf].map(receives), [true, true, true, false]);
  await Promise.all([ada, bob, publisher, watcher, deaf].map((client) => client.close()));
});

test("without a media node a join is refused and can be tried again", async () => {
  const empty = await startEdge();
  try {
    const ada = await Client.connect(empty, "early", "ada");
    assert.equal((await ada.join()).code, "no_media_node");
    await MediaNode.start(empty);
    assert.equal((await ada.join()).type, "joined");
  } finally {
    await empty.stop();
  }
});

test("none of it was an error to the log", () => {
  assert.ok(edge.lines.length > 0);
  assert.deepEqual(edge.records().filter(({ level }) => level === "error"), []);
});

// Holds S4-SIG-08.
test("the room sends only to open sockets: one that has broken off costs the others nothing", async () => {
  const [ada, bob, eve] = [await Client.join(edge, "broken", "ada"), await Client.join(edge, "broken", "bob"), await Client.join(edge, "broken", "eve")];
  bob.terminate();
  for (const text of ["one", "two", "three"]) {
    assert.equal((await ada.request({ type: "chat", message: text, text })).type, "done");
  }
  for (const text of ["one", "two", "three"]) {
    const { messages } = await eve.next("chat");
    assert.deepEqual(messages.map((message) => message.text), [text]);
  }
  // The room has not failed, and knows that one is away.
  await ada.next(updated("bob", ({ connection }) => connection === "reconnecting"));
  const problems = edge.lines.filter((line) => line.includes('"room":"broken"') && line.includes('"level":"error"'));
  assert.deepEqual(problems, []);
  const again = await Client.connect(edge, "broken", "bob");
  assert.equal((await again.resume(bob.session)).type, "resumed");
  await Promise.all([ada.close(), again.close(), eve.close()]);
});
