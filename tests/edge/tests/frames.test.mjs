// Invalid frames: each is answered with a code, and nobody else in the room notices.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, OFFER } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { Socket } from "../support/socket.mjs";
import { nodeToken } from "../support/token.mjs";

const KIB = 1024;

let edge;
let node;
let rooms = 0;
let room;
let witness;
let rude;
before(async () => {
  edge = await startEdge();
  node = await MediaNode.start(edge);
});
after(() => edge.stop());
beforeEach(async () => {
  rooms += 1;
  room = `rude-${rooms}`;
  witness = await Client.join(edge, room, "witness");
  rude = await Client.join(edge, room, "rude");
  await witness.next("slots_changed");
  await witness.settle();
  witness.forget();
});

async function checkAnswered(frame, code, inReplyTo = null) {
  const from = rude.frames.length;
  rude.send(frame);
  await rude.find((answer) => rude.frames.indexOf(answer) >= from && answer.type === "error", code);
  const answer = rude.frames[from];
  assert.equal(answer.code, code);
  assert.equal(answer.in_reply_to, inReplyTo);
  assert.equal(typeof answer.message, "string");
}

async function checkNobodyNoticed() {
  await witness.settle();
  assert.deepEqual(witness.frames, []);
  assert.equal((await witness.request({ type: "view", participants: [] })).type, "done");
}

// Holds S0-SIG-09, S4-SIG-07.
test("malformed, binary, unknown and invalid frames", async () => {
  await checkAnswered("", "malformed_frame");
  await checkAnswered("no JSON", "malformed_frame");
  await checkAnswered("[]", "malformed_frame");
  await checkAnswered('{"id":1}', "malformed_frame", 1);
  await checkAnswered(Buffer.from('{"type":"leave"}'), "malformed_frame");
  await checkAnswered('{"type":"dance","id":7}', "unknown_message", 7);
  // More than the unreadable ones that close a socket.
  for (let count = 0; count < 20; count += 1) await checkAnswered(`{"id":3,"type":${count % 2 ? 7 : null}}`, "invalid_message", 3);
  await checkAnswered('{"type":"set_muted","id":8}', "invalid_message", 8);
  await checkAnswered('{"type":"set_muted","id":9,"mid":"../","muted":true}', "invalid_message", 9);
  await checkAnswered({ type: "view", id: 10, participants: Array(25).fill("ada") }, "invalid_message", 10);
  await checkAnswered({ type: "kick", id: 11, participant: "witness", reason: "x".repeat(257) }, "invalid_message", 11);
  await checkNobodyNoticed();
  assert.equal((await rude.request({ type: "view", participants: [] })).type, "done");
});

test("frames that are too large for their type", async () => {
  await checkAnswered({ type: "leave", id: 1, padding: "x".repeat(64 * KIB) }, "frame_too_large", 1);
  await checkAnswered({ type: "negotiate", id: 2, offer: OFFER + "x".repeat(512 * KIB), reason: "sections" }, "frame_too_large");
  await checkAnswered("x".repeat(900 * KIB), "frame_too_large");
  await checkNobodyNoticed();
});

test("offers that cannot be answered", async () => {
  const negotiate = (offer, tracks = []) => ({ type: "negotiate", id: 3, offer, tracks, reason: "sections" });
  await checkAnswered(negotiate("v=0\r\n"), "invalid_offer", 3);
  await checkAnswered(negotiate("hello"), "invalid_offer", 3);
  await checkAnswered(negotiate(OFFER.replaceAll(/a=fingerprint.*\r\n/g, "")), "invalid_offer", 3);
  const [session, first] = OFFER.split(/(?=m=)/);
  await checkAnswered(negotiate(session + first.repeat(56)), "too_many_sections", 3);
  await checkNobodyNoticed();
});

// Holds S0-SIG-11, S4-SEC-01.
test("before it has joined, a socket may only join", async () => {
  const stranger = await Client.connect(edge, room, "stranger");
  assert.equal(await stranger.refusal({ type: "set_muted", mid: "0", muted: true }), "not_joined");
  assert.equal(await stranger.refusal({ type: "kick", participant: "witness" }), "not_joined");
  await stranger.close();
  await checkNobodyNoticed();
});

// Holds S4-SIG-05.
test("a frame that names another sender is the sender's own", async () => {
  const forged = { participant: "witness", sender: "witness", from: "witness", name: "witness", sourceSession: witness.joined.session };
  assert.equal((await rude.request({ type: "chat", message: "m1", text: "it was me", ...forged })).type, "done");
  const { messages } = await witness.next("chat");
  assert.deepEqual([messages[0].participant, messages[0].name], ["rude", "rude"]);
  assert.equal((await rude.request({ type: "react", reaction: "clap", ...forged })).type, "done");
  assert.equal((await witness.next("reacted")).participant, "rude");
  assert.equal((await rude.request({ type: "set_muted", mid: "0", muted: true, ...forged })).type, "done");
  assert.equal((await witness.next("participant_updated")).participant.id, "rude");
  assert.equal((await rude.request({ type: "leave", ...forged })).type, "done");
  assert.equal((await witness.next("participant_left")).participant, "rude");
});

test("a socket that only says nonsense is closed", async () => {
  for (let count = 0; count < 20 && !rude.closed; count += 1) {
    rude.send("nonsense");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal((await rude.ended()).code, 1008);
});

// Holds S3-DEP-04.
test("too many frames are refused, and a moment later there is room for some again", async () => {
  for (let id = 1; id <= 70; id += 1) rude.send({ type: "view", id, participants: [] });
  const limited = await rude.find(({ code }) => code === "rate_limited", "rate_limited");
  assert.equal(limited.type, "error");
  await checkNobodyNoticed();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal((await rude.request({ type: "view", participants: [] })).type, "done");
});

test("a socket that floods is closed, and the room goes on", async () => {
  for (let id = 1; id <= 500; id += 1) rude.send({ type: "view", id, participants: [] });
  assert.equal((await rude.ended()).code, 1008);
  const { participant } = await witness.next("participant_updated");
  assert.equal(participant.connection, "reconnecting");
  witness.forget();
  await checkNobodyNoticed();
});

test("nodes are answered as clients are", async () => {
  const link = await node.serving(room);
  link.send("nonsense");
  assert.equal((await link.next("error")).code, "malformed_frame");
  link.send(Buffer.from([1, 2, 3]));
  assert.equal((await link.next("error")).code, "malformed_frame");
  link.send({ type: "dance" });
  assert.equal((await link.next("error")).code, "invalid_message");
  link.send({ type: "session_connected", session: "nobody0" });
  const fleet = await Socket.open(`${edge.ws}/v1/nodes/socket`, "rotunda-node.v1", {
    headers: { authorization: `Bearer ${nodeToken("n9", "local")}` },
  });
  fleet.send("nonsense");
  assert.equal((await fleet.next("error")).code, "malformed_frame");
  fleet.send({ type: "register", node: "somebody-else", region: "local", fingerprint: "AB", shards: [], sessions_max: 1 });
  await fleet.next((frame) => frame.type === "error" || frame.type === "refused");
  fleet.terminate();
  await checkNobodyNoticed();
});
