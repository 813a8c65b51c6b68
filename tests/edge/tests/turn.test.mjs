// A client that cannot reach a node directly is offered TURN nodes with a credential they accept; others are offered
// nothing.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";
import { startTurnNode } from "../support/turn.mjs";

const STUN = { urls: ["stun:stun.example.org:3478"] };
const URLS = [
  ...["turn:203.0.113.9:3478?transport=udp", "turn:[2001:db8::9]:3478?transport=udp"],
  ...["turn:203.0.113.9:443?transport=tcp", "turns:turn.example.org:443?transport=tcp"],
];

/** An entry that TURN nodes accept: draft-uberti-behave-turn-rest-00, with the newest key. */
function check({ urls, username, credential }, room, participant, expected = URLS) {
  assert.deepEqual(urls, expected);
  const [seconds, ...owner] = username.split(":");
  assert.deepEqual(owner, ["sfu", room, participant]);
  const left = Number(seconds) - Date.now() / 1000;
  assert.ok(left > 3500 && left <= 3600, `${left} s`);
  assert.equal(credential, createHmac("sha1", KEYS.turn.secret).update(username).digest("base64"));
}

// Holds S2-SEC-01, S2-DEP-01, S3-DEP-01, S-A7-17.
test("every answer brings TURN nodes of the region and a credential for them", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.stop());
  const turn = await startTurnNode(edge, { urls: URLS });
  assert.deepEqual((await turn.next("set_media_nodes")).addresses, []);
  await MediaNode.start(edge);
  assert.deepEqual((await turn.next("set_media_nodes")).addresses, ["127.0.0.1:7000"]);
  const far = await startTurnNode(edge, { id: "turn-2" });
  assert.deepEqual((await far.next("set_media_nodes")).addresses, ["127.0.0.1:7000"]);
  far.terminate();

  const ada = await Client.connect(edge, "relayed", "ada");
  const joined = await ada.join();
  const [stun, relay] = joined.ice_servers;
  assert.deepEqual(stun, STUN);
  check(relay, "relayed", "ada", relay.urls.filter((url) => URLS.includes(url)));

  // A sleep of the fleet or the room loses nothing.
  await edge.hibernateFleet("local");
  await edge.hibernate("relayed");
  const bob = await Client.connect(edge, "relayed", "bob");
  check((await bob.join()).ice_servers[1], "relayed", "bob", relay.urls);

  ada.terminate();
  const again = await Client.connect(edge, "relayed", "ada");
  const resumed = await again.resume(ada.session);
  assert.equal(resumed.type, "resumed");
  check(resumed.ice_servers[1], "relayed", "ada", relay.urls);
});

// Holds S1-MED-06.
test("TURN nodes are near each participant, and relay to the media nodes of other regions", async (t) => {
  const edge = await startEdge({ vars: { REGIONS: '{"eu":"EU","us":"NA"}', DEFAULT_REGION: "eu" } });
  t.after(() => edge.stop());
  await MediaNode.start(edge, { id: "media-eu", region: "eu" });
  const near = await startTurnNode(edge, { id: "turn-eu", region: "eu", urls: ["turn:eu.example.org"] });
  assert.deepEqual((await near.next("set_media_nodes")).addresses, ["127.0.0.1:7000"]);
  const far = await startTurnNode(edge, { id: "turn-us", region: "us", urls: ["turn:us.example.org"] });
  // The regions tell each other within a second.
  const named = async () => (await far.next("set_media_nodes")).addresses;
  assert.deepEqual([await named(), await named()], [[], ["127.0.0.1:7000"]]);

  const from = async (participant, cf) => {
    const headers = { "MF-CF-Blob": JSON.stringify(cf) };
    const protocols = ["rotunda.v1", `token.${joinToken("world", participant)}`];
    const client = await Client.open(`${edge.ws}/v1/rooms/world/socket`, protocols, { headers });
    const { ice_servers } = await client.join();
    return ice_servers[1].urls;
  };
  const [EU, US] = ["turn:eu.example.org", "turn:us.example.org"];
  assert.deepEqual(await from("ada", { continent: "EU" }), [EU, US]);
  assert.deepEqual(await from("bob", { continent: "NA" }), [US, EU]);
  await edge.hibernate("world");
  await edge.hibernateFleet("eu");
  assert.deepEqual(await from("eve", { continent: "NA" }), [US, EU]);
  // Without a place, or with an odd one, the region of the room.
  for (const [number, cf] of [{}, { continent: "T1" }, { continent: 7 }, { continent: ["NA"] }].entries()) {
    assert.deepEqual(await from(`odd-${number}`, cf), [EU], JSON.stringify(cf));
  }
});

for (const [what, TURN_KEYS] of [["no", undefined], ["an unreadable", "secret"]]) {
  test(`with ${what} TURN secret everybody joins, and is told of no TURN node`, async (t) => {
    const edge = await startEdge({ vars: { TURN_KEYS } });
    t.after(() => edge.stop());
    await MediaNode.start(edge);
    await startTurnNode(edge);
    const ada = await Client.connect(edge, "direct", "ada");
    const joined = await ada.join();
    assert.deepEqual([joined.type, joined.ice_servers], ["joined", [STUN]]);
    const told = edge.lines.some((line) => line.includes("turn_keys_unreadable"));
    assert.equal(told, TURN_KEYS !== undefined);
    assert.ok(!edge.lines.some((line) => TURN_KEYS && line.includes(`"${TURN_KEYS}"`)), "secrets are not logged");
  });
}
