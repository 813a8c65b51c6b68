// The flow of Kaa: two who may both offer at once, the room's roster, and removals with a reason.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { BOTH, Flow, HOST, answer, asleep, candidates, offer } from "../support/flow.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

/** Two who offer at once, and one who is removed. */
async function glare(flow) {
  // `join` → `joined {participants[]}`; `user-joined` for the others.
  const first = await flow.join("a", { grants: HOST });
  assert.deepEqual(first.roster.map(({ id }) => id), ["a"]);
  const second = await flow.join("b", {}, { a: ["joined b"] });
  assert.deepEqual(second.roster.map(({ id }) => id), ["a", "b"]);
  await flow.join("c", {}, { a: ["joined c"], b: ["joined c"] });

  // Glare: both offers arrive, each at the other; the room takes no side.
  await flow.step("both offer at once", () =>
    Promise.all([
      flow.client("a").request({ type: "signal", to: "b", message: "a-1", link: 3, signal: offer(BOTH) }),
      flow.client("b").request({ type: "signal", to: "a", message: "b-1", link: 3, signal: offer(BOTH) }),
    ]), { a: ["done", "offer from b"], b: ["done", "offer from a"] });
  const { type, from, to, sent_at: timestamp, link, signal: data } = flow.heard.get("a").find((frame) => frame.type === "signaled");
  assert.deepEqual({ type, from, to, link, data }, { type: "signaled", from: "b", to: "a", link: 3, data: offer(BOTH) });
  assert.ok(Number.isInteger(timestamp));
  await flow.tell("b", "a", answer(BOTH), { a: ["answer from b"] });
  await flow.tell("a", "b", candidates(), { b: ["candidates from a"] });
  await flow.tell("b", "a", candidates(), { a: ["candidates from b"] });

  // `kickUser(roomId, userId, 'Violation')`.
  await flow.ask("b", { type: "kick", participant: "c", reason: "Violation" }, { b: ["error forbidden"] });
  await flow.ask("a", { type: "kick", participant: "c", reason: "Violation" }, { a: ["done", "left c kicked"], b: ["left c kicked"], c: ["removed kicked: Violation"] });
  flow.people.delete("c");

  // `user-left`.
  await flow.ask("b", { type: "leave" }, { a: ["left b left"] });
  flow.people.delete("b");

  // `closeRoom(roomId, 'Maintenance')`.
  await flow.ask("a", { type: "end_room", reason: "Maintenance" }, { a: ["done", "removed room_closed: Maintenance"] });
  flow.people.clear();
}

// Holds S3-SIG-02, S3-SIG-06.
test("a call with glare, asleep after every step", () => Flow.play(edge, "kaa", asleep, glare));

test("a call with glare, killed after every step", () => Flow.playKilled("kaa", glare));

test("an invalid token closes the socket with 1008 and `Unauthorized`", async () => {
  const client = await Client.connect(edge, "kaa-door", "a", { token: "none" });
  assert.equal((await client.next("refused")).code, "bad_token");
  assert.deepEqual(await client.ended(), { code: 1008, reason: "Unauthorized" });
});
