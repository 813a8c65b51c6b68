// Nobody takes all sockets of a room: bounds for each participant and each address, and nodes apart from clients.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";

const SOCKETS_PER_PARTICIPANT_MAX = 10;

test("one participant has ten sockets and no more, also after a sleep; others are let in", async () => {
  const edge = await startEdge();
  try {
    const sockets = [];
    for (let number = 0; number < SOCKETS_PER_PARTICIPANT_MAX; number++) sockets.push(await Client.connect(edge, "few", "eve"));
    await edge.hibernate("few");
    await MediaNode.start(edge);
    await Client.join(edge, "few", "ada");
    // A socket that has waited for a second without a word makes way; the room's unit tests hold the refusal before that.
    await setTimeout(1_100);
    const late = await Client.connect(edge, "few", "eve");
    assert.equal((await late.join()).type, "joined");
    assert.deepEqual(await sockets[0].next("refused"), { type: "refused", code: "timeout" });
    assert.equal((await sockets[0].ended()).code, 1008);
  } finally {
    await edge.stop();
  }
});

test("a client that opens sockets in a loop is refused before the room hears of it", async () => {
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
