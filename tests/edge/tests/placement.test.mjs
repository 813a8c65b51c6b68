// Placement of rooms: the nearest region with a node, no draining node, never a node that failed the room.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";
import { Socket } from "../support/socket.mjs";
import { joinToken, nodeToken } from "../support/token.mjs";

const REGIONS = JSON.stringify({ "ap-south": "AS", "eu-central": "EU", "us-east": "NA" });

let edge;
let frankfurt;
let virginia;
before(async () => {
  edge = await startEdge({ vars: { REGIONS, DEFAULT_REGION: "eu-central" } });
  frankfurt = await MediaNode.start(edge, { id: "frankfurt", region: "eu-central" });
  virginia = await MediaNode.start(edge, { id: "virginia", region: "us-east" });
});
after(() => edge.stop());

/** Joins with a request from `continent`. */
async function joinFrom(continent, room, participant = "ada") {
  const headers = { "MF-CF-Blob": JSON.stringify({ continent }) };
  const protocols = ["rotunda.v1", `token.${joinToken(room, participant)}`];
  const client = await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, protocols, { headers });
  assert.equal((await client.join()).type, "joined");
  return client;
}

test("a room goes to the region nearest to its first joiner", async () => {
  await joinFrom("EU", "from-europe");
  await frankfurt.serving("from-europe");
  await joinFrom("NA", "from-america");
  await virginia.serving("from-america");
  await joinFrom("SA", "from-brazil");
  await virginia.serving("from-brazil");
  await joinFrom(undefined, "from-nowhere");
  await frankfurt.serving("from-nowhere");
});

test("a room goes to the region that it wishes for; a changed wish counts when it next needs a node", async () => {
  const create = async (name, body) => (await edge.api("POST", "/v1/rooms", { body: { name, ...body } })).body;
  assert.equal((await create("wish-named", { region: "us-east" })).region, "us-east");
  await joinFrom("EU", "wish-named");
  await virginia.serving("wish-named");
  assert.equal((await create("wish-continent", { region: "EU" })).region, "EU");
  const ada = await joinFrom("NA", "wish-continent");
  const link = await frankfurt.serving("wish-continent");
  link.connected(ada.session.session);
  await create("wish-asia", { region: "ap-south" });
  await joinFrom("EU", "wish-asia");
  await frankfurt.serving("wish-asia");
  checkRefused(await edge.api("POST", "/v1/rooms", { body: { name: "wish-mars", region: "mars" } }), 404, "unknown_region");
  const patch = (region) => edge.api("PATCH", "/v1/rooms/wish-continent", { body: { region } });
  checkRefused(await patch("OC"), 404, "unknown_region");
  assert.equal((await patch("us-east")).body.region, "us-east");
  await link.settle();
  assert.ok(virginia.assignments.every(({ room }) => room !== "wish-continent"), "nobody moves yet");
  await edge.hibernate("wish-continent");
  link.send({ type: "draining" });
  await virginia.assigned(({ room }) => room === "wish-continent");
  assert.equal((await patch("nearest")).body.region, null);
});

test("a region without nodes leaves the room to the next one", async () => {
  await joinFrom("AS", "from-asia");
  await frankfurt.serving("from-asia");
});

// Holds S2-SIG-05.
test("those who come later come to the same node, wherever they are", async () => {
  await joinFrom("EU", "mixed", "ada");
  await joinFrom("NA", "mixed", "bob");
  const link = await frankfurt.serving("mixed");
  await link.settle();
  assert.equal(link.sessions.size, 2);
  assert.equal(virginia.assignments.filter(({ room }) => room === "mixed").length, 0);
});

test("a node that is about to stop gets no new rooms, and its rooms move", async () => {
  const ada = await joinFrom("EU", "moving");
  const link = await frankfurt.serving("moving");
  link.connected(ada.session.session);
  const second = await MediaNode.start(edge, { id: "frankfurt-2", region: "eu-central" });
  frankfurt.socket.send({ type: "draining" });
  link.send({ type: "draining" });
  const { epoch } = await second.assigned(({ room }) => room === "moving");
  assert.ok(epoch > frankfurt.assignments.find(({ room }) => room === "moving").epoch);
  await ada.next("transport_dead");
  await joinFrom("EU", "fresh");
  await second.serving("fresh");
});

test("a fleet that slept still knows its nodes", async () => {
  await edge.hibernateFleet("us-east");
  await joinFrom("NA", "after-sleep");
  await virginia.serving("after-sleep");
});

test("a ticket opens one room", async () => {
  await joinFrom("NA", "ticketed");
  const { ticket, epoch } = await virginia.assigned(({ room }) => room === "ticketed");
  const refused = await virginia.dial({ room: "from-america", ticket, epoch }).catch((error) => error);
  assert.equal(refused.status, 403);
  assert.equal(JSON.parse(refused.body).code, "wrong_room");
  // Claiming another epoch than the ticket's does not help either.
  const link = await Socket.open(`${edge.ws}/v1/rooms/ticketed/node`, "rotunda-node.v1", { headers: { authorization: `Bearer ${ticket}` } });
  link.send({ type: "hello", node: "virginia", epoch: epoch + 1000, connected: [] });
  assert.deepEqual(await link.next("refused"), { type: "refused", code: "bad_token" });
  link.terminate();
});

test("a node renews its ticket, and nobody else's", async () => {
  await joinFrom("NA", "renewed");
  const assignment = await virginia.assigned(({ room }) => room === "renewed");
  const renew = (ticket, token) =>
    fetch(`${edge.http}/v1/nodes/ticket`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, connection: "close" },
      body: JSON.stringify({ ticket }),
    });
  const renewed = await renew(assignment.ticket, nodeToken("virginia", "us-east"));
  assert.equal(renewed.status, 200);
  const { ticket } = await renewed.json();
  const claims = (text) => JSON.parse(Buffer.from(text.split(".")[1], "base64url"));
  const { iat, exp, ...rest } = claims(ticket);
  assert.deepEqual(rest, { aud: "rotunda-ticket", sub: "virginia", room: "renewed", epoch: assignment.epoch });
  assert.equal(exp - iat, 12 * 3600);
  const link = await virginia.dial({ ...assignment, ticket });
  await link.next("welcome");
  for (const [ticket, token] of [
    [assignment.ticket, nodeToken("frankfurt", "eu-central")],
    ["nonsense", nodeToken("virginia", "us-east")],
    [joinToken("renewed", "virginia"), nodeToken("virginia", "us-east")],
    [assignment.ticket, joinToken("renewed", "virginia")],
  ]) {
    const refused = await renew(ticket, token);
    assert.deepEqual([refused.status, (await refused.json()).code], [401, "bad_token"]);
  }
});
