// A panic in wasm ends the instance that everybody in the isolate shares: nobody may be left waiting, and the next one
// is served again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { failOnPanic } from "../../../edge/pending.mjs";
import { startEdge } from "../support/edge.mjs";
import { Socket } from "../support/socket.mjs";
import { joinToken } from "../support/token.mjs";

// Without the entry, these would wait for ever.
const timeout = 30_000;

test("what is pending fails at the moment of the panic", { timeout }, async () => {
  const state = { criticalError: false };
  const guard = failOnPanic(state);
  const done = await guard(() => "done before");
  const pending = [guard(() => new Promise(() => {})), guard(() => new Promise(() => {}))];
  state.criticalError = true;
  for (const promise of pending) await assert.rejects(promise, /panicked/);
  assert.equal(done, "done before");
  assert.equal(state.criticalError, true, "worker-build's shim reads it to make a fresh instance");
  state.criticalError = false;
  assert.equal(await guard(async () => "done after"), "done after");
  await assert.rejects(guard(() => Promise.reject(new Error("its own"))), /its own/);
  await assert.rejects(
    guard(() => {
      throw new Error("synchronous");
    }),
    /synchronous/,
  );
});

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

test("a panic fails pending requests at once, and the next request is served", { timeout }, async () => {
  const room = await Socket.open(`${edge.ws}/v1/rooms/daily/socket`, ["rotunda.v1", `token.${joinToken("daily", "ada")}`]);
  const waiting = fetch(`${edge.http}/v1/dev/wait`, { method: "POST" });
  // The request has to be in Rust's hands before somebody panics.
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
