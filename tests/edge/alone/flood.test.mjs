// Hundreds of bad upgrades per second of each kind, while good clients join within two seconds. Nothing else may run at
// the same time: workerd has one thread for all of this, and takes a millisecond for each. It goes to workerd's own port,
// because miniflare's proxy would spend half a millisecond of the same thread on each connection.
//
// On two fast idle cores, FLOOD_PER_SECOND=1000 passes too; where workerd's thread is never idle, good clients wait in
// the same queue as the flood.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { DEPLOYED, startEdge } from "../support/edge.mjs";
import { flood } from "../support/flood.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken, voidSecret } from "../support/token.mjs";

const PER_SECOND = Number(process.env.FLOOD_PER_SECOND ?? 500);
/** The minimum share of its rate that a flood reaches, with slack for a machine that pauses for a moment. */
const REACHED_MIN = 0.9;
const FLOODED_MS = 5_000;
const GOOD_JOINS = 8;
/** The limits for half of the joins, and for those during a pause of the machine or the joins of an admitted crowd. */
const JOIN_MS_MAX = 2_000;
const SLOWEST_JOIN_MS_MAX = 10_000;
/** Eight times what a full room admits, until it has 380 people: one thread would not have time for many more. */
const CROWD_PER_SECOND = 400;
const CROWD_MS = 2_500;

const ROOM = "flooded";
const EVE = ["198.51.100.7"];
const CUSTOMERS = Array.from({ length: 4_000 }, (_, number) => `2001:db8:${(number >> 8).toString(16)}:${(number & 255).toString(16)}00::1`);
const GOOD = joinToken(ROOM, "eve");
const FORGED = Array.from({ length: 10_000 }, (_, number) => GOOD.slice(0, -8) + String(10_000_000 + number));
const many = (count) => Array.from({ length: count }, (_, number) => joinToken(ROOM, `eve-${number}`));

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

/**
 * Turns off the platform's limits (wrangler.toml), which count slowly and let a second of any flood pass. Floods the
 * room and calls `meanwhile` repeatedly; at most `admitted` of the flood may reach the room's object.
 */
async function underFlood(context, { tokens, kind, addresses, admitted, rate = PER_SECOND, floodedMs = FLOODED_MS }, meanwhile) {
  const edge = await startEdge({ ...DEPLOYED, direct: true });
  let bad;
  try {
    const node = await MediaNode.start(edge, { id: "node" });
    await warmUp(edge);
    const host = await join(edge, ROOM, "host");
    await node.serving(ROOM);
    const shown = typeof tokens === "function" ? await tokens(edge) : tokens;
    const [cpuBefore, linesBefore, took] = [edge.cpuMs(), edge.lines.length, []];
    const began = performance.now();
    bad = await flood(edge, `/v1/rooms/${ROOM}/socket`, { tokens: shown, kind, addresses, perSecond: rate });
    for (let number = 0; number < GOOD_JOINS; number++) {
      const asked = performance.now();
      await meanwhile({ edge, host, number });
      took.push(Math.round(performance.now() - asked));
      await setTimeout(Math.max(1, (floodedMs * (number + 1)) / GOOD_JOINS - (performance.now() - began)));
    }
    const link = await node.dial(node.assignments.find(({ room }) => room === ROOM), [host.joined.session]);
    await link.next("welcome");
    const counts = await bad.stop();
    const [seconds, cpuMs] = [(performance.now() - began) / 1000, edge.cpuMs() - cpuBefore];
    const perSecond = Math.round(counts.sent / counts.seconds);
    const reached = edge.lines.slice(linesBefore).filter((line) => line.includes('"client_connected"') && line.includes(`"${ROOM}"`)).length;
    context.diagnostic(
      `${perSecond} connections a second, ${reached} reached the room; good clients took ${took.join(", ")} ms; ` +
        `workerd ${(cpuMs / counts.sent).toFixed(2)} ms a connection, ${Math.round(cpuMs / seconds / 10)} % of a core; ` +
        `the flood ${Math.round(counts.cpuMs / counts.seconds / 10)} %; ${JSON.stringify(counts)}`,
    );
    assert.ok(perSecond >= REACHED_MIN * rate, `the flood was no flood: ${perSecond} a second`);
    const ordered = took.toSorted((one, other) => one - other);
    const [median, slowest] = [ordered[GOOD_JOINS / 2], ordered.at(-1)];
    assert.ok(median <= JOIN_MS_MAX && slowest <= SLOWEST_JOIN_MS_MAX, `good clients took ${took.join(", ")} ms`);
    const of = admitted(counts.seconds) + GOOD_JOINS;
    assert.ok(reached <= of, `${reached} connections reached the room, not ${of}`);
    // The others got a status; some got the reason on a socket.
    assert.ok(counts.switched <= of + 64 + 50 * counts.seconds, `${counts.switched} sockets were opened`);
  } finally {
    bad?.end();
    await edge.stop();
  }
}

const joinsFlooded = ({ edge, number }) => join(edge, ROOM, `good-${number}`);

test("a flood without tokens, from many addresses", async (context) => {
  await underFlood(context, { tokens: [""], addresses: CUSTOMERS, admitted: () => 0 }, joinsFlooded);
});

test("a flood with forged tokens, from many addresses", async (context) => {
  await underFlood(context, { tokens: FORGED, addresses: CUSTOMERS, admitted: () => 0 }, joinsFlooded);
});

test("a flood with forged tokens from one address, and a client behind the same NAT", async (context) => {
  const options = { tokens: FORGED, addresses: EVE, admitted: () => 0 };
  await underFlood(context, options, ({ edge, number }) => join(edge, ROOM, `good-${number}`, EVE[0]));
});

test("a flood with one good token from one address, and a client behind the same NAT", async (context) => {
  const options = { tokens: [GOOD], addresses: EVE, admitted: (seconds) => 20 + 2 * seconds };
  await underFlood(context, options, ({ edge, number }) => join(edge, ROOM, `good-${number}`, EVE[0]));
});

test("a flood with one good token from many addresses", async (context) => {
  await underFlood(context, { tokens: [GOOD], addresses: CUSTOMERS, admitted: (seconds) => 20 + 2 * seconds }, joinsFlooded);
});

test("a flood with many good tokens from one address", async (context) => {
  await underFlood(context, { tokens: many(2_000), addresses: EVE, admitted: (seconds) => 256 + 20 * seconds }, joinsFlooded);
});

test("a flood with good tokens of thirty participants from three addresses keeps no other address out of their room", async (context) => {
  const options = { tokens: many(30), addresses: CUSTOMERS.slice(0, 3), admitted: (seconds) => 256 + 50 * seconds };
  await underFlood(context, options, joinsFlooded);
});

test("a flood with many good tokens from many addresses closes its room to newcomers alone", async (context) => {
  const admitted = (seconds) => 256 + 50 * seconds;
  const options = { tokens: many(4_000), addresses: CUSTOMERS, admitted, rate: CROWD_PER_SECOND, floodedMs: CROWD_MS };
  await underFlood(context, options, async ({ edge, host, number }) => {
    await join(edge, "another", `good-${number}`);
    await comeBack(edge, host);
  });
});

test("a flood with void secrets of one participant, from many addresses", async (context) => {
  const tokens = async (edge) => {
    const eve = await join(edge, ROOM, "eve");
    return Array.from({ length: 8_000 }, (_, number) => voidSecret(ROOM, eve.session.resume_token, number));
  };
  const options = { tokens, kind: "resume", addresses: CUSTOMERS, admitted: () => 0 };
  await underFlood(context, options, async ({ edge, host, number }) => {
    await joinsFlooded({ edge, number });
    await comeBack(edge, host);
  });
});
