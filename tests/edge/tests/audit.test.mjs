// The audit trail: one row for each act, and none for a refused one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { checkRefused } from "../support/refused.mjs";

let edge;
before(async () => {
  edge = await startEdge();
  await MediaNode.start(edge);
});
after(() => edge.stop());

const audit = (room) => edge.api("GET", `/v1/rooms/${room}/audit`);
const rows = async (room) => (await audit(room)).body.acts.map(({ by, act, participant, reason }) => [by, act, participant, reason]);

test("each act of a moderator or of the application is one row, which outlives the room", async () => {
  checkRefused(await audit("trail"), 404, "unknown_room");
  const ada = await Client.join(edge, "trail", "ada", { claims: { grants: { moderate: true } } });
  const bob = await Client.join(edge, "trail", "bob");
  assert.deepEqual(await rows("trail"), []);
  const [track] = bob.joined.roster.find(({ id }) => id === "bob").tracks;
  const acts = [
    [{ type: "mute_track", participant: "bob", track: track.id }, ["ada", "mute_track", "bob", null]],
    [{ type: "lower_hand", participant: "bob" }, ["ada", "lower_hand", "bob", null]],
    [{ type: "update_participant", participant: "bob", name: "Bob" }, ["ada", "update_participant", "bob", null]],
    [{ type: "update_room", locked: true }, ["ada", "update_room", null, null]],
    [{ type: "start_room" }, ["ada", "start_room", null, null]],
    [{ type: "pause_room", reason: "a break" }, ["ada", "pause_room", null, "a break"]],
    [{ type: "resume_room" }, ["ada", "resume_room", null, null]],
    [{ type: "kick", participant: "bob", reason: "spam" }, ["ada", "kick", "bob", "spam"]],
    [{ type: "kick", participant: "bob", ban: {} }, ["ada", "ban", "bob", null]],
    [{ type: "lift_ban", participant: "bob" }, ["ada", "lift_ban", "bob", null]],
  ];
  const expected = [];
  for (const [request, row] of acts) {
    assert.equal((await ada.request(request)).type, "done", request.type);
    expected.unshift(row);
    await edge.hibernate("trail");
    assert.deepEqual(await rows("trail"), expected);
  }
  assert.equal(await ada.refusal({ type: "kick", participant: "nobody" }), "unknown_participant");
  assert.equal((await edge.api("DELETE", "/v1/rooms/trail?reason=over")).status, 204);
  expected.unshift([null, "end_room", null, "over"]);
  await edge.hibernate("trail");
  assert.deepEqual(await rows("trail"), expected);
  const pages = [];
  for (let cursor = ""; cursor !== undefined; ) {
    const { body } = await edge.api("GET", `/v1/rooms/trail/audit?limit=4${cursor}`);
    pages.push(body.acts.length);
    cursor = body.next && `&cursor=${body.next}`;
  }
  assert.deepEqual(pages, [4, 4, 3]);
  for (const bad of ["limit=101", "limit=0", "cursor=a", "cursor=-1", "page=2"]) {
    checkRefused(await edge.api("GET", `/v1/rooms/trail/audit?${bad}`), 400, "invalid_request");
  }
  const [{ at }] = (await audit("trail")).body.acts;
  assert.ok(Math.abs(at - Date.now()) < 60_000);
});
