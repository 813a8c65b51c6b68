// A media node that does not know its address gets the one from which it connects, and rooms once another has probed it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode, fingerprintOf } from "../support/node.mjs";
import { Socket } from "../support/socket.mjs";
import { nodeToken } from "../support/token.mjs";

const CREDENTIAL = { ufrag: "probe", pwd: "secret" };

async function register(edge, id, headers) {
  const authorization = `Bearer ${nodeToken(id, "local")}`;
  const socket = await Socket.open(`${edge.ws}/v1/nodes/socket`, "rotunda-node.v1", { headers: { authorization, ...headers } });
  const shards = [{ shard: 0, candidates: ["[::]:7000"] }];
  socket.send({ type: "register", node: id, region: "local", fingerprint: fingerprintOf(id), shards, sessions_max: 100, probe: CREDENTIAL });
  return socket;
}

test("the edge tells a node which address it sees, and lets another node probe it", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.stop());
  for (const [number, seen] of ["203.0.113.8", "2001:db8::8"].entries()) {
    const prober = await MediaNode.start(edge, { id: `prober-${number}` });
    const node = await register(edge, `media-${number}`, { "cf-connecting-ip": seen });
    assert.equal((await node.next("registered")).type, "registered");
    assert.deepEqual(await node.next("set_reach"), { type: "set_reach", address: seen, reach: { state: "probing" } });
    const { probe, addresses, credential } = await prober.socket.next("probe");
    const address = seen.includes(":") ? `[${seen}]:7000` : `${seen}:7000`;
    assert.deepEqual([addresses, credential], [[address], CREDENTIAL]);
    prober.socket.send({ type: "draining" });
    await edge.hibernateFleet("local");
    const client = await Client.connect(edge, `silent-${number}`, "ada");
    prober.socket.send({ type: "probed", probe, answered: [] });
    assert.deepEqual((await node.next("set_reach")).reach, { state: "silent", addresses: [address] });
    assert.equal((await client.join()).code, "no_media_node");
    node.terminate();
    prober.die();
  }
});
