// A room sleeps whenever nobody speaks: nothing that anybody sees may depend on whether it did.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { play } from "../support/script.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

test("asleep after every step or never: everybody is told the same", async () => {
  const awake = await play(edge, "awake");
  const asleep = await play(edge, "asleep", async (_step, { room }) => {
    await edge.hibernate(room).catch(notThere);
    await edge.hibernateFleet("local").catch(notThere);
  });
  for (const [index, step] of awake.entries()) assert.deepEqual(asleep[index], step, `after ${step.step}`);
});

/** Before the first one dials, there is no object to take out of memory. */
function notThere(error) {
  if (!/not running|not found|no such/i.test(error.message)) throw error;
}
