// Many who come at once, and nobody who was there loses their place for it.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { DEPLOYED, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";

const CROWD = 200;
const WITHIN_MS = 5_000;
/** The rest is for sockets that take a while to open. */
const OPENED_WITHIN_MS = 4_300;
const OFFICE = "192.0.2.1";
const VIEWERS = 5;
const VIEWED_MAX = 24;

/** As the meet app: says whom it looks at whenever that changes. */
function watch(client) {
  let said = "";
  let number = 1_000;
  client.socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type !== "participant_joined") return;
    client.ids.push(frame.participant.id);
    const view = client.ids.slice(0, VIEWED_MAX);
    if (view.join() === said) return;
    said = view.join();
    client.send({ id: number++, type: "view", participants: view });
  });
}

test("two hundred who join from one address within five seconds close no innocent socket", async (context) => {
  const edge = await startEdge(DEPLOYED);
  try {
    await MediaNode.start(edge);
    const host = await Client.join(edge, "crowd", "host", { claims: { participants_max: 1_000 } });
    const early = [host];
    for (let number = 1; number < VIEWERS; number++) early.push(await Client.join(edge, "crowd", `early-${number}`));
    for (const client of early) {
      client.ids = [];
      watch(client);
    }
    const [began, cpuBefore] = [performance.now(), edge.cpuMs()];
    const since = () => Math.round(performance.now() - began);
    const [sent, answered] = [[], []];
    const joins = Array.from({ length: CROWD }, async (_, number) => {
      await setTimeout((number * OPENED_WITHIN_MS) / CROWD);
      const client = await Client.connect(edge, "crowd", `late-${number}`, { address: OFFICE, overlaps: true });
      sent.push(since());
      client.joined = await client.join({ tracks: [] });
      answered.push(since());
      return client;
    });
    const late = await Promise.all(joins);
    const [lastSent, lastAnswered, cpu] = [sent.at(-1), answered.at(-1), edge.cpuMs() - cpuBefore];
    context.diagnostic(`${CROWD} joins were sent within ${lastSent} ms and answered within ${lastAnswered}; the edge worked for ${cpu} ms`);
    assert.ok(lastSent <= WITHIN_MS, `the last of ${CROWD} joins was sent after ${lastSent} ms`);
    for (const client of late) assert.equal(client.joined.type, "joined");
    await host.settle(500);
    for (const client of [...early, ...late]) {
      assert.equal(client.closed, null, JSON.stringify(client.closed));
      const refused = client.frames.filter(({ type, code }) => type === "refused" || (type === "error" && code === "rate_limited"));
      assert.deepEqual(refused, [], client.participant);
    }
    assert.equal(host.ids.length, CROWD);
    for (const client of [host, late.at(-1)]) assert.equal((await client.request({ type: "raise_hand", raised: true })).type, "done");
  } finally {
    await edge.stop();
  }
});

test("an office of two hundred that arrives at once is let in", async (context) => {
  const edge = await startEdge({ ...DEPLOYED, direct: true });
  try {
    await MediaNode.start(edge);
    await Client.join(edge, "office", "host", { claims: { participants_max: 1_000 } });
    const began = performance.now();
    const joins = Array.from({ length: CROWD }, (_, number) =>
      Client.join(edge, "office", `p-${number}`, { address: OFFICE, overlaps: true, tracks: [] }),
    );
    for (const client of await Promise.all(joins)) assert.equal(client.joined.type, "joined", JSON.stringify(client.joined));
    context.diagnostic(`${CROWD} joined within ${Math.round(performance.now() - began)} ms`);
  } finally {
    await edge.stop();
  }
});
