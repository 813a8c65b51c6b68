// Floods of bad upgrades of every kind, while good clients join. Nothing else may run at the same time: workerd has one
// thread for all of this, and takes a millisecond for each. They go to workerd's own port, because miniflare's proxy would
// spend half a millisecond of the same thread on each connection.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { Client } from "./client.mjs";
import { DEPLOYED, startEdge } from "./edge.mjs";
import { flood } from "./flood.mjs";
import { MediaNode } from "./node.mjs";
import { joinToken, voidSecret } from "./token.mjs";

const ROOM = "flooded";
const EVE = ["198.51.100.7"];
const CUSTOMERS = Array.from({ length: 4_000 }, (_, number) => `2001:db8:${(number >> 8).toString(16)}:${(number & 255).toString(16)}00::1`);
const GOOD = joinToken(ROOM, "eve");
const FORGED = Array.from({ length: 10_000 }, (_, number) => GOOD.slice(0, -8) + String(10_000_000 + number));
const many = (count) => Array.from({ length: count }, (_, number) => joinToken(ROOM, `eve-${number}`));

const joins = ({ edge, number }) => join(edge, ROOM, `good-${number}`);
const joinsBehindEve = ({ edge, number }) => join(edge, ROOM, `good-${number}`, EVE[0]);

/**
 * Every kind: `tokens` and `addresses` as for `flood`, the number `admitted` to the room's object at most, and what good
 * clients do `meanwhile`. `isCrowd`: the room admits them all as long as it has places.
 */
export const FLOODS = [
  { name: "without tokens, from many addresses", tokens: () => [""], addresses: CUSTOMERS, admitted: () => 0, meanwhile: joins },
  { name: "with forged tokens, from many addresses", tokens: () => FORGED, addresses: CUSTOMERS, admitted: () => 0, meanwhile: joins },
  { name: "with forged tokens from one address, and a client behind the same NAT", tokens: () => FORGED, addresses: EVE, admitted: () => 0, meanwhile: joinsBehindEve },
  {
    name: "with one good token from one address, and a client behind the same NAT",
    tokens: () => [GOOD],
    addresses: EVE,
    admitted: (seconds) => 20 + 2 * seconds,
    meanwhile: joinsBehindEve,
  },
  { name: "with one good token from many addresses", tokens: () => [GOOD], addresses: CUSTOMERS, admitted: (seconds) => 20 + 2 * seconds, meanwhile: joins },
  { name: "with many good tokens from one address", tokens: () => many(2_000), addresses: EVE, admitted: (seconds) => 256 + 20 * seconds, meanwhile: joins },
  {
    name: "with good tokens of thirty participants from three addresses keeps no other address out of their room",
    tokens: () => many(30),
    addresses: CUSTOMERS.slice(0, 3),
    admitted: (seconds) => 256 + 50 * seconds,
    meanwhile: joins,
  },
  {
    name: "with many good tokens from many addresses closes its room to newcomers alone",
    isCrowd: true,
    tokens: () => many(4_000),
    addresses: CUSTOMERS,
    admitted: (seconds) => 256 + 50 * seconds,
    meanwhile: async ({ edge, host, number }) => {
      await join(edge, "another", `good-${number}`);
      await comeBack(edge, host);
    },
  },
  {
    name: "with void secrets of one participant, from many addresses",
    tokens: async (edge) => {
      const eve = await join(edge, ROOM, "eve");
      return Array.from({ length: 8_000 }, (_, number) => voidSecret(ROOM, eve.session.resume_token, number));
    },
    kind: "resume",
    addresses: CUSTOMERS,
    admitted: () => 0,
    meanwhile: async ({ edge, host, number }) => {
      await joins({ edge, number });
      await comeBack(edge, host);
    },
  },
];

/**
 * Floods the room and lets good clients in meanwhile, `goodJoins` times within `floodedMs`. The platform's limits (wrangler.toml) are off:
 * they count slowly and let a second of any flood pass.
 *
 * @returns what was sent, how many connections reached the room's object and how many might, and the time that good clients `took`
 */
export async function underFlood({ tokens, kind, addresses, admitted, meanwhile }, { perSecond, floodedMs, goodJoins }) {
  const edge = await startEdge({ ...DEPLOYED, direct: true });
  let bad;
  try {
    const node = await MediaNode.start(edge, { id: "node" });
    await warmUp(edge);
    const host = await join(edge, ROOM, "host");
    await node.serving(ROOM);
    const shown = await tokens(edge);
    const [cpuBefore, linesBefore, took] = [edge.cpuMs(), edge.lines.length, []];
    const began = performance.now();
    bad = await flood(edge, `/v1/rooms/${ROOM}/socket`, { tokens: shown, kind, addresses, perSecond });
    for (let number = 0; number < goodJoins; number++) {
      const asked = performance.now();
      await meanwhile({ edge, host, number });
      took.push(Math.round(performance.now() - asked));
      await setTimeout(Math.max(1, (floodedMs * (number + 1)) / goodJoins - (performance.now() - began)));
    }
    const link = await node.dial(node.assignments.find(({ room }) => room === ROOM), [host.joined.session]);
    await link.next("welcome");
    const counts = await bad.stop();
    const [seconds, cpuMs] = [(performance.now() - began) / 1000, edge.cpuMs() - cpuBefore];
    const reached = edge.lines.slice(linesBefore).filter((line) => line.includes('"client_connected"') && line.includes(`"${ROOM}"`)).length;
    return {
      counts,
      took,
      reached,
      mayReach: admitted(counts.seconds) + goodJoins,
      perSecond: Math.round(counts.sent / counts.seconds),
      cpuMsEach: cpuMs / counts.sent,
      cpuShare: cpuMs / seconds / 1000,
      floodCpuShare: counts.cpuMs / counts.seconds / 1000,
    };
  } finally {
    bad?.end();
    await edge.stop();
  }
}

/** A client at an unused address, without a second attempt. */
async function join(edge, room, participant, address = `192.0.2.${1 + Math.floor(Math.random() * 250)}`) {
  const client = await Client.join(edge, room, participant, { address });
  assert.equal(client.joined.type, "joined", JSON.stringify(client.joined));
  return client;
}

/** Resumes on another socket, without a second attempt. */
async function comeBack(edge, client) {
  const protocols = ["rotunda.v1", `resume.${client.session.resume_token}`];
  const back = await Client.open(`${edge.ws}/v1/rooms/${ROOM}/socket`, protocols, { headers: { "cf-connecting-ip": "192.0.2.1" } });
  const resumed = await back.resume(client.session);
  assert.equal(resumed.type, "resumed", JSON.stringify(resumed));
  client.session = { session: client.session.session, resume_token: resumed.resume_token };
}

/** A Worker that just started runs unoptimised code, which says nothing about a warm one. */
async function warmUp(edge) {
  for (let number = 0; number < 30; number++) await join(edge, "warm", `early-${number}`);
}
