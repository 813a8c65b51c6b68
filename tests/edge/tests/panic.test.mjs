// A panic in wasm ends the instance that all objects and requests of the isolate share: pending calls fail at once, and
// the next call succeeds.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { watchInstance } from "../../../edge/instance.mjs";
import { startEdge } from "../support/edge.mjs";
import { Socket } from "../support/socket.mjs";
import { joinToken } from "../support/token.mjs";

// Without the entry, these would wait for ever.
const timeout = 30_000;

test("what is pending fails at the moment of the panic, and the next call gets a fresh instance", { timeout }, async () => {
  const state = { criticalError: false, instanceId: 1 };
  let resets = 0;
  const instance = watchInstance(state, () => (resets += 1));
  const done = await instance.run(() => "done before");
  const pending = [instance.run(() => new Promise(() => {})), instance.run(() => new Promise(() => {}))];
  state.criticalError = true;
  for (const promise of pending) await assert.rejects(promise, /panicked/);
  assert.equal(done, "done before");
  assert.deepEqual([resets, state.instanceId], [0, 1]);
  assert.equal(await instance.run(async () => "done after"), "done after");
  assert.deepEqual([resets, state.instanceId, state.criticalError], [1, 2, false]);
});

test("an error of the call's own stays its own, and a trap ends the instance", { timeout }, async () => {
  const state = { criticalError: false, instanceId: 1 };
  const instance = watchInstance(state, () => {});
  await assert.rejects(instance.run(() => Promise.reject(new Error("its own"))), /its own/);
  const failing = instance.run(() => {
    throw new Error("synchronous");
  });
  await assert.rejects(failing, /synchronous/);
  assert.equal(instance.current(), 1);
  const pending = instance.run(() => new Promise(() => {}));
  await assert.rejects(instance.run(() => Promise.reject(new WebAssembly.RuntimeError("unreachable"))), /unreachable/);
  await assert.rejects(pending, /panicked/);
  assert.equal(instance.current(), 2);
});

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

test("a panic fails pending requests at once, and the next request is served", { timeout }, async () => {
  const room = await Socket.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `token.${joinToken("daily", "ada")}`]);
  const waiting = fetch(`${edge.http}/v1/dev/wait`, { method: "POST" });
  // The request must have reached Rust before the panic.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const began = performance.now();
  const panicked = await fetch(`${edge.http}/v1/dev/panic`, { method: "POST" });
  const waited = await waiting;
  const took = performance.now() - began;
  for (const response of [panicked, waited]) {
    assert.equal(response.status, 500);
    assert.equal((await response.json()).code, "internal");
  }
  assert.ok(took < 2_000, `took ${took} ms`);
  assert.equal((await fetch(`${edge.http}/healthz`)).status, 200);
  // Hibernating sockets belong to the platform and outlive the instance; the object behind them is restored.
  room.send("no JSON");
  const { code } = await room.next("error");
  assert.equal(code, "malformed_frame");
  await room.close();
});
