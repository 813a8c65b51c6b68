// A room sleeps whenever nobody sends anything, and no participant can notice.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { play } from "../support/script.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

// Holds S0-TEST-02.
test("asleep after every step or never: everybody is told the same", async () => {
  const awake = await play(edge, "awake");
  let slept = 0;
  let fleetSlept = 0;
  const between = async (_step, { ada, room }) => {
    // Nothing wakes the fleet in most steps.
    await edge.hibernateFleet("local").then(() => (fleetSlept += 1), isAsleep);
    // Before the first client connects there is no room to take out of memory.
    if (!ada) return;
    await edge.hibernate(room);
    slept += 1;
  };
  const asleep = await play(edge, "asleep", { between });
  assert.equal(slept, asleep.length - 1);
  assert.ok(fleetSlept >= 2, `the fleet slept ${fleetSlept} times`);
  for (const [index, step] of awake.entries()) assert.deepEqual(asleep[index], step, step.step);
});

function isAsleep(error) {
  if (!error.message.includes("not currently running")) throw error;
}
