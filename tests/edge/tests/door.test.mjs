// Nobody takes all sockets of a room: limits for each participant and each address, and separate ones for nodes.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { DEPLOYED, startEdge } from "../support/edge.mjs";
import { flood } from "../support/flood.mjs";
import { MediaNode } from "../support/node.mjs";
import { UpgradeRefused } from "../support/socket.mjs";
import { joinToken, voidSecret } from "../support/token.mjs";

const SOCKETS_PER_PARTICIPANT_MAX = 10;
/** Clients of one room that have not joined. */
const WAITING_MAX = 1_024;
/** A machine on which a hundred sockets a second reach the room fills it within this time. */
const FULL_MS = 30_000;

test("one participant has ten sockets and no more, also after a sleep; others are let in", async () => {
  const edge = await startEdge();
  try {
    const sockets = [];
    for (let number = 0; number < SOCKETS_PER_PARTICIPANT_MAX; number++) sockets.push(await Client.connect(edge, "few", "eve"));
    await edge.hibernate("few");
    await MediaNode.start(edge);
    await Client.join(edge, "few", "ada");
    // A socket that has been silent for a second is evicted; the room's unit tests cover the refusal before that.
    await setTimeout(1_100);
    const late = await Client.connect(edge, "few", "eve");
    assert.equal((await late.join()).type, "joined");
    assert.deepEqual(await sockets[0].next("refused"), { type: "refused", code: "timeout" });
    assert.equal((await sockets[0].ended()).code, 1008);
  } finally {
    await edge.stop();
  }
});

/**
 * The answer to a client that asks too often: a status, which costs half as much as a frame, and tells programs when to
 * retry.
 */
async function checkRefused(open, retryAfter = "1") {
  const refused = await open().then(() => assert.fail("it was let in"), (error) => error);
  assert.ok(refused instanceof UpgradeRefused, refused.message);
  assert.deepEqual([refused.status, refused.headers["retry-after"]], [429, retryAfter]);
  assert.equal(JSON.parse(refused.body).code, "rate_limited");
}

/** The platform restarts its counts every ten seconds; resolves when the next four seconds are in one period. */
async function countedTogether() {
  const left = 10_000 - (Date.now() % 10_000);
  if (left < 4_000) await setTimeout(left);
}

test("a client that opens sockets in a loop is refused before the room hears of it", async () => {
  // A room counts the first socket of an address apart.
  for (const [limit, sockets] of [["SOCKET_RATE", 5], ["ROOM_RATE", 6]]) {
    const edge = await startEdge({ rateLimits: { [limit]: 5, ADDRESS_RATE: 1 } });
    try {
      await countedTogether();
      for (let number = 0; number < sockets; number++) await (await Client.connect(edge, "loop", "eve")).close();
      await checkRefused(() => Client.connect(edge, "loop", "eve"));
      const other = await Client.connect(edge, "another", "ada");
      await other.settle();
      assert.deepEqual(other.frames, []);
    } finally {
      await edge.stop();
    }
  }
});

test("the platform counts each participant's sockets to each room, and those to resume by the holder of the secret", async () => {
  const edge = await startEdge({ rateLimits: { SOCKET_RATE: 5 } });
  try {
    await MediaNode.start(edge);
    const resume = (secret) => Client.open(`${edge.ws}/v1/rooms/keys/socket`, ["rotunda.v1", `resume.${secret}`]);
    await countedTogether();
    const [eve, ada] = [await Client.join(edge, "keys", "eve"), await Client.join(edge, "keys", "ada")];
    for (let number = 1; number < 5; number++) await (await Client.connect(edge, "keys", "eve")).close();
    await checkRefused(() => Client.connect(edge, "keys", "eve"));
    await (await Client.connect(edge, "keys", "ada")).close();
    await (await Client.connect(edge, "another", "eve")).close();
    for (let number = 0; number < 5; number++) await (await resume(voidSecret("keys", eve.session.resume_token, number))).next("refused");
    await checkRefused(() => resume(voidSecret("keys", eve.session.resume_token, 5)));
    assert.equal((await (await resume(ada.session.resume_token)).resume(ada.session)).type, "resumed");
  } finally {
    await edge.stop();
  }
});

test("three addresses that fill what the platform lets into a room keep no other address out", async () => {
  const edge = await startEdge({ rateLimits: { ROOM_RATE: 20, ADDRESS_RATE: 4 } });
  try {
    const opens = (room, participant, address) => Client.connect(edge, room, participant, { address }).then((client) => client.close().then(() => 101), ({ status }) => status);
    await countedTogether();
    const statuses = [];
    for (let number = 0; number < 60; number++) statuses.push(await opens("loud", `eve-${number}`, `192.0.2.${number % 3}`));
    assert.equal(statuses.filter((status) => status === 101).length, 3 * 4 + 20, "the first four of each, and twenty of the rest");
    for (let number = 0; number < 4; number++) assert.equal(await opens("loud", `ada-${number}`, "198.51.100.1"), 101);
  } finally {
    await edge.stop();
  }
});

test("an isolate lets one token open twenty sockets at once, wherever they come from, and others more", async () => {
  const edge = await startEdge({ direct: true });
  try {
    const token = joinToken("twenty", "eve");
    const opens = Array.from({ length: 60 }, (_, number) =>
      Client.connect(edge, "twenty", "eve", { token, address: `192.0.2.${number}`, overlaps: true }).then(() => 101, ({ status }) => status),
    );
    const opened = (await Promise.all(opens)).filter((status) => status === 101).length;
    // Two more for each second of the run.
    assert.ok(opened >= 20 && opened < 40, `${opened} were opened`);
    await checkRefused(() => Client.connect(edge, "twenty", "eve", { token, address: "192.0.2.1" }));
    await checkRefused(() => Client.connect(edge, "twenty", "eve", { claims: { name: "Eve" }, address: "192.0.2.1" }));
    await (await Client.connect(edge, "twenty", "ada", { address: "192.0.2.1" })).close();
  } finally {
    await edge.stop();
  }
});

test("one participant with many secrets reaches the room as often as with one, and the others come back", async () => {
  const edge = await startEdge({ direct: true });
  try {
    await MediaNode.start(edge);
    const resume = (secret, options) => Client.open(`${edge.ws}/v1/rooms/void/socket`, ["rotunda.v1", `resume.${secret}`], options);
    const [eve, ada] = [await Client.join(edge, "void", "eve"), await Client.join(edge, "void", "ada")];
    const opens = Array.from({ length: 60 }, (_, number) =>
      resume(voidSecret("void", eve.session.resume_token, number), { headers: { "cf-connecting-ip": `192.0.2.${number}` }, overlaps: true }),
    );
    const answers = await Promise.allSettled(opens);
    const told = answers.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    assert.ok(told.length >= 20 && told.length < 40, `${told.length} reached the room`);
    for (const client of told) assert.deepEqual(await client.next("refused"), { type: "refused", code: "session_expired" });
    assert.deepEqual([...new Set(answers.flatMap(({ reason }) => reason?.status ?? []))], [429]);
    const back = await resume(ada.session.resume_token, { headers: { "cf-connecting-ip": "192.0.2.1" } });
    assert.equal((await back.resume(ada.session)).type, "resumed");
  } finally {
    await edge.stop();
  }
});

test("forged tokens keep nobody out behind the same NAT, and most are refused with a status", async () => {
  const edge = await startEdge({ direct: true });
  try {
    await MediaNode.start(edge);
    const good = joinToken("forged", "eve");
    const opens = Array.from({ length: 400 }, (_, number) => {
      const token = good.slice(0, -8) + String(10_000_000 + number);
      return Client.connect(edge, "forged", "eve", { token, address: "192.0.2.1", overlaps: true }).then(() => 101, ({ status }) => status);
    });
    const told = (await Promise.all(opens)).filter((status) => status === 101).length;
    // Ten more for each second of the run.
    assert.ok(told >= 32 && told < 128, `${told} were told in a frame`);
    const ada = await Client.join(edge, "forged", "ada", { address: "192.0.2.1" });
    assert.equal(ada.joined.type, "joined", JSON.stringify(ada.joined));
  } finally {
    await edge.stop();
  }
});

test("a room whose places to wait are all taken makes way for a client from elsewhere", async () => {
  const edge = await startEdge({ ...DEPLOYED, direct: true });
  let bad;
  try {
    // The limits before the room count addresses, so these have none.
    const tokens = Array.from({ length: 200 }, (_, number) => joinToken("full", `eve-${number}`));
    bad = await flood(edge, "/v1/rooms/full/socket", { tokens, addresses: [""], perSecond: 300 });
    const began = performance.now();
    const isFull = ({ switched, closed }) => closed > 50 && switched - closed >= 0.9 * WAITING_MAX;
    while (!isFull(await bad.counts()) && performance.now() - began < FULL_MS) await setTimeout(100);
    // On a busy machine, some have waited for ten seconds by now and are therefore closed.
    const counts = await bad.stop();
    assert.ok(isFull(counts), `${counts.switched} opened, and ${counts.closed} of them made way`);
    // A busy machine would not have heard of it for the whole flood.
    await MediaNode.start(edge);
    for (const number of [1, 2, 3]) {
      const client = await Client.join(edge, "full", `ada-${number}`, { address: `192.0.2.${number}` });
      assert.equal(client.joined.type, "joined", JSON.stringify(client.joined));
    }
  } finally {
    bad?.end();
    await edge.stop();
  }
});
