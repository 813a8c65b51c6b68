// Many clients arrive at once, and no participant loses their place.
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
const AUDIENCE = 120;
/** Of these, so many are in the roster. */
const LISTED = 32;

/** Like the meet app: reports its view whenever it changes. */
function watch(client) {
  let said = "";
  let number = 1_000;
  client.socket.on("message", (data) => {
    const frame = JSON.parse(data);
    const joined = { participant_joined: () => [frame.participant], roster_changed: () => frame.changed }[frame.type]?.() ?? [];
    const unknown = joined.map(({ id }) => id).filter((id) => !client.ids.includes(id));
    if (unknown.length === 0) return;
    client.ids.push(...unknown);
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

test("a large audience is let in, counted and listed in pages, and hears what concerns it", async (context) => {
  const edge = await startEdge({ ...DEPLOYED, direct: true });
  const watching = { publish: false, subscribe: true, chat: true, moderate: false, record: false };
  try {
    const node = await MediaNode.start(edge);
    const host = await Client.join(edge, "hall", "host", { claims: { participants_max: 1_000 } });
    await node.serving("hall");
    const watchers = [];
    for (let number = 0; number < AUDIENCE; number++) {
      watchers.push(await Client.join(edge, "hall", `w-${1_000 + number}`, { address: OFFICE, tracks: [], claims: { grants: watching } }));
    }
    const last = watchers.at(-1);
    assert.equal(last.joined.type, "joined", JSON.stringify(last.joined));
    assert.equal(last.joined.roster.length, 1 + LISTED + 1, "the host, the first of the audience, and the newcomer");
    const counted = ({ type, room }) => type === "room_updated" && room.audience === AUDIENCE - LISTED;
    await Promise.all([host, last].map((client) => client.find(counted, "the count")));
    const listed = [];
    for (let after = {}; after !== null; ) {
      const page = await last.request({ type: "list_audience", ...after });
      assert.equal(page.type, "audience", JSON.stringify(page));
      listed.push(...page.participants.map(({ id }) => id));
      after = page.next === null ? null : { after: page.next };
    }
    assert.deepEqual(listed, watchers.slice(LISTED).map(({ participant }) => participant));
    for (const client of watchers) client.forget();
    assert.equal((await host.request({ type: "set_muted", mid: "0", muted: true })).type, "done");
    const isMuted = ({ changed = [] }) => changed.some(({ id, tracks }) => id === "host" && tracks[0].muted);
    await Promise.all(watchers.map((client) => client.find(isMuted, "the mute")));
    const visit = await Client.join(edge, "hall", "visitor", { address: OFFICE, tracks: [], claims: { grants: watching } });
    await visit.request({ type: "leave" });
    await host.settle(300);
    const news = watchers.flatMap(({ frames }) => frames.filter(({ type }) => type !== "room_updated" && type !== "slots_changed"));
    const others = news.filter((frame) => !isMuted(frame));
    assert.deepEqual(others, [], "a visitor of the audience is no news");
    context.diagnostic(`${Math.max(...watchers.map(({ frames }) => frames.length))} frames reached each of the audience`);
  } finally {
    await edge.stop();
  }
});
