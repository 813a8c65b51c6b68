// The promises of docs/operations.md for emergencies: abuse, a stolen key, a lost region.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Client, OFFER_ICE_RESTART, TRACKS } from "../support/client.mjs";
import { KEYS, list, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { UpgradeRefused } from "../support/socket.mjs";
import { withStoredEdge } from "../support/stored.mjs";
import { joinToken } from "../support/token.mjs";

const PAGE = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");

/** The commands of a section, each with the output that its comment announces. */
function commands(heading) {
  const [, section] = PAGE.match(new RegExp(`\n## ${heading}\n(.*?)\n## `, "s")) ?? assert.fail(heading);
  const blocks = [...section.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) => block.trim().split("\n"));
  return blocks.map((line) => line.split(/ +# /)).map(([command, prints = ""]) => ({ command, prints }));
}

test("each command against abuse prints what the page says", async () => {
  const edge = await startEdge();
  try {
    await MediaNode.start(edge);
    const people = { ada: "Ada", mallory: "Mallory" };
    const clients = {};
    for (const [id, name] of Object.entries(people)) clients[id] = await Client.join(edge, "daily", id, { claims: { name } });
    const settings = `EDGE=${edge.http} KEY=${KEYS.api.id}:${KEYS.api.secret}`;
    const [first, helper, ...rest] = commands("Abuse").filter(({ command }) => !command.includes("/recordings"));
    assert.match(first.command, /^EDGE=\S+ KEY=\S+$/);
    assert.ok(rest.length >= 7, `${rest.length} commands`);
    for (const { command, prints } of rest) {
      const { stdout, stderr } = spawnSync("bash", ["-c", `${settings}\n${helper.command}\n${command}`], { encoding: "utf8", timeout: 10_000 });
      assert.equal(stdout.trim().replace(/\s+/g, " ").replace(/^\{.*\} ?/, ""), prints, `${command}\n${stderr}`);
    }
    assert.equal((await clients.mallory.next("removed")).code, "kicked");
    assert.equal((await clients.ada.next("removed")).code, "room_closed");
  } finally {
    await edge.stop();
  }
});

test("a stolen key of tokens opens nothing once the list is replaced, and everybody joins with a new token", () =>
  withStoredEdge({}, async (edge) => {
    const node = await MediaNode.start(edge);
    const ada = await Client.join(edge, "daily", "ada");
    node.die();
    await edge.kill();
    const fresh = { id: "t2", secret: "join-tokens-after-the-theft-0123456" };
    edge.options.vars.TOKEN_KEYS = list(fresh);
    await edge.again();
    await MediaNode.start(edge, { id: "n2" });
    const old = await Client.connect(edge, "daily", "ada");
    assert.equal((await old.next("refused")).code, "bad_token");
    const resuming = await Client.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `resume.${ada.session.resume_token}`]);
    assert.equal((await resuming.next("refused")).code, "session_expired");
    const { body } = await edge.api("POST", "/v1/tokens", { body: { room: "daily", participant: "ada" } });
    assert.equal((await Client.join(edge, "daily", "ada", { token: body.token })).joined.type, "joined");
  }));

test("a stolen key of nodes registers nothing and serves no room once it is gone from the list", () =>
  withStoredEdge({}, async (edge) => {
    const node = await MediaNode.start(edge);
    await Client.join(edge, "daily", "ada");
    await node.serving("daily");
    node.die();
    await edge.kill();
    edge.options.vars.NODE_KEYS = list({ id: "n2", secret: "node-tokens-after-the-theft-0123456" });
    await edge.again();
    const refused = (error) => error instanceof UpgradeRefused && error.status === 401;
    await assert.rejects(MediaNode.start(edge), refused);
    await assert.rejects(node.dial(node.assignments.at(-1)), refused);
  }));

test("rooms of a region whose nodes are gone move to the next one, and what is not in REGIONS is refused", () =>
  withStoredEdge({ vars: { REGIONS: '{"eu-central":"EU","us-east":"NA"}', DEFAULT_REGION: "eu-central" } }, async (edge) => {
    const frankfurt = await MediaNode.start(edge, { id: "frankfurt", region: "eu-central" });
    const virginia = await MediaNode.start(edge, { id: "virginia", region: "us-east" });
    const ada = await joinFromEurope(edge, "daily", "ada");
    (await frankfurt.serving("daily")).connected(ada.session.session);
    frankfurt.die();
    await virginia.assigned(({ room }) => room === "daily");
    await joinFromEurope(edge, "fresh", "bob");
    await virginia.serving("fresh");
    for (const event of ["node_disconnected", "room_placed"]) assert.ok(edge.lines.some((line) => line.includes(`"event":"${event}"`)), event);

    virginia.die();
    await edge.kill();
    edge.options.vars.REGIONS = '{"us-east":"NA"}';
    edge.options.vars.DEFAULT_REGION = "us-east";
    await edge.again();
    const refused = MediaNode.start(edge, { id: "frankfurt", region: "eu-central" });
    await assert.rejects(refused, (error) => error instanceof UpgradeRefused && error.status === 403);
  }));

test("a region that is taken out gets no room, keeps those it has, and loses those whose clients do not reach it", () =>
  withStoredEdge({ vars: { REGIONS: '{"eu-central":"EU","us-east":"NA"}', DEFAULT_REGION: "eu-central" } }, async (edge) => {
    const frankfurt = await MediaNode.start(edge, { id: "frankfurt", region: "eu-central" });
    const ada = await joinFromEurope(edge, "daily", "ada");
    (await frankfurt.serving("daily")).connected(ada.session.session);
    const { ticket, epoch } = frankfurt.assignments.at(-1);
    frankfurt.die();
    await edge.kill();
    edge.options.vars.REGIONS = '{"us-east":"NA"}';
    edge.options.vars.DEFAULT_REGION = "us-east";
    await edge.again();
    const virginia = await MediaNode.start(edge, { id: "virginia", region: "us-east" });
    await joinFromEurope(edge, "fresh", "bob");
    await virginia.serving("fresh");
    const again = await frankfurt.dial({ room: "daily", ticket, epoch }, [ada.session.session]);
    assert.equal((await again.next("welcome")).sessions.length, 1);
    const back = await Client.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `resume.${ada.session.resume_token}`]);
    assert.equal((await back.resume(ada.session)).transport_dead, false);
    const dead = { type: "negotiate", offer: OFFER_ICE_RESTART, tracks: TRACKS, reason: "transport_dead" };
    assert.equal((await back.request(dead)).type, "negotiated", "once may be the client's own network");
    back.send({ id: 99, ...dead });
    await virginia.assigned(({ room }) => room === "daily");
  }));

async function joinFromEurope(edge, room, participant) {
  const headers = { "MF-CF-Blob": JSON.stringify({ continent: "EU" }) };
  const client = await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, ["rotunda.v1", `token.${joinToken(room, participant)}`], { headers });
  assert.equal((await client.join()).type, "joined");
  return client;
}
