// Nobody takes all sockets of a room: bounds for each participant and each address, and nodes apart from clients.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { flood } from "../support/flood.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";

const PER_SECOND = 1_000;
const SOCKETS_PER_PARTICIPANT_MAX = 10;
/** A good join under a flood takes no longer. */
const JOIN_MS_MAX = 2_000;

/** Joins from an address of one's own, or from everybody's. */
async function join(edge, room, participant, address) {
  const headers = address === undefined ? {} : { "cf-connecting-ip": address };
  const protocols = ["rotunda.v1", `token.${joinToken(room, participant)}`];
  const client = await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, protocols, { headers });
  client.joined = await client.join();
  return client;
}

/** Floods a room for some seconds; somebody joins now and then meanwhile, and the node dials again. */
async function checkFlooded({ room, tokens, address }) {
  // What production allows: the Worker refuses most of it before the room hears of it.
  const edge = await startEdge({ rateLimits: { SOCKET_RATE: 30 } });
  let bad;
  try {
    const node = await MediaNode.start(edge, { id: `node-${room}` });
    await join(edge, room, "host", address);
    await node.serving(room);
    bad = flood(edge, `/v1/rooms/${room}/socket`, tokens, PER_SECOND);
    await setTimeout(1_500);
    for (let number = 0; number < 3; number++) {
      const began = performance.now();
      const good = await join(edge, room, `good-${number}`, address);
      const took = Math.round(performance.now() - began);
      assert.equal(good.joined.type, "joined");
      assert.ok(took < JOIN_MS_MAX, `a good join took ${took} ms`);
    }
    const link = await node.dial(node.assignments[0], []);
    await link.next("welcome");
    const counts = await bad.stop();
    bad = undefined;
    assert.ok(counts.sent / counts.seconds > PER_SECOND * 0.9, `the flood was no flood: ${JSON.stringify(counts)}`);
  } finally {
    await bad?.stop();
    await edge.stop();
  }
}

test("under a flood with one token a good join from the same address succeeds, and a node's socket gets in", async () => {
  await checkFlooded({ room: "one-token", tokens: [joinToken("one-token", "eve")] });
});

test("under a flood with many tokens from one address, a good join from another address succeeds", async () => {
  const tokens = Array.from({ length: 400 }, (_, number) => joinToken("many-tokens", `eve-${number}`));
  await checkFlooded({ room: "many-tokens", tokens, address: "198.51.100.7" });
});

test("one participant has ten sockets and no more, also after a sleep; others are let in", async () => {
  const edge = await startEdge();
  try {
    const sockets = [];
    for (let number = 0; number < SOCKETS_PER_PARTICIPANT_MAX; number++) sockets.push(await Client.connect(edge, "few", "eve"));
    await edge.hibernate("few");
    const refused = await Client.connect(edge, "few", "eve");
    assert.deepEqual(await refused.next("refused"), { type: "refused", code: "rate_limited" });
    assert.equal((await refused.ended()).code, 1008);
    await MediaNode.start(edge);
    await Client.join(edge, "few", "ada");
    // Whoever has waited for a second without a word makes way.
    await setTimeout(1_100);
    const late = await Client.connect(edge, "few", "eve");
    assert.equal((await late.join()).type, "joined");
    assert.deepEqual(await sockets[0].next("refused"), { type: "refused", code: "timeout" });
  } finally {
    await edge.stop();
  }
});

test("whoever opens sockets in a loop is refused before the room hears of it", async () => {
  const edge = await startEdge({ rateLimits: { SOCKET_RATE: 5 } });
  try {
    const codes = [];
    for (let number = 0; number < 12; number++) {
      const socket = await Client.connect(edge, "loop", "eve");
      await socket.settle();
      codes.push(socket.frames[0]?.code);
      await socket.close();
    }
    assert.ok(codes.includes("rate_limited"), codes.join());
    const other = await Client.connect(edge, "loop", "ada");
    await other.settle();
    assert.deepEqual(other.frames, []);
  } finally {
    await edge.stop();
  }
});
