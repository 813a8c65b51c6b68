// Rooms created by a template of the deployment, and tokens that may not create one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

const ROOM_TEMPLATES = {
  lesson: { room_type: "video", participants_max: 3, duration_ms_max: 60_000, quality: "cinema", features: { recording: false } },
  surgery: { room_type: "private", invited: ["ada"] },
};

let edge;
before(async () => {
  edge = await startEdge({ vars: { ROOM_TEMPLATES: JSON.stringify(ROOM_TEMPLATES) } });
  await MediaNode.start(edge);
});
after(() => edge.stop());

const create = (name, body) => edge.api("POST", "/v1/rooms", { body: { name, ...body } });
const token = async (room, participant, body) => edge.api("POST", "/v1/tokens", { body: { room, participant, ...body } });

test("a room is created by a template through the API; the request's own fields take precedence", async () => {
  const made = await create("by-api", { template: "lesson", participants_max: 9, metadata: "m" });
  const { room_type, participants_max, duration_ms_max, quality, metadata, features } = made.body;
  assert.deepEqual([made.status, room_type, participants_max, duration_ms_max, quality, metadata], [201, "video", 9, 60_000, "cinema", "m"]);
  assert.equal(features.recording, false);
  const again = await create("by-api", { template: "surgery" });
  assert.deepEqual([again.status, again.body.room_type], [200, "video"], "an existing room stays as it is");
  checkRefused(await create("by-garden", { template: "garden" }), 404, "unknown_template");
  checkRefused(await edge.api("GET", "/v1/rooms/by-garden"), 404, "unknown_room");
});

test("the first join creates a room by its token's template, whose rules count for it too", async () => {
  const { body } = await token("by-token", "ada", { template: "lesson" });
  const ada = await Client.join(edge, "by-token", "ada", { token: body.token });
  const { room_type, participants_max, features } = ada.joined.room;
  assert.deepEqual([room_type, participants_max, features.recording], ["video", 3, false]);
  await edge.hibernate("by-token");
  const bob = await Client.join(edge, "by-token", "bob", { claims: { template: "surgery" } });
  assert.equal(bob.joined.room.room_type, "video", "a later token changes nothing");
  const eve = await Client.connect(edge, "surgery-1", "eve", { claims: { template: "surgery" } });
  assert.equal((await eve.join()).code, "not_invited");
  checkRefused(await edge.api("GET", "/v1/rooms/surgery-1"), 404, "unknown_room");
  const lost = await Client.connect(edge, "by-nothing", "ada", { claims: { template: "garden" } });
  assert.equal((await lost.join()).code, "unknown_template");
  checkRefused(await token("by-nothing", "ada", { template: "garden" }), 404, "unknown_template");
});

test("a token without the grant to create joins only a room that exists", async () => {
  const visitor = { claims: { grants: { create: false } } };
  const eve = await Client.connect(edge, "waiting", "eve", visitor);
  assert.equal((await eve.join()).code, "unknown_room");
  checkRefused(await edge.api("GET", "/v1/rooms/waiting"), 404, "unknown_room");
  await Client.join(edge, "waiting", "ada");
  await edge.hibernate("waiting");
  assert.equal((await eve.join()).type, "joined");
});
