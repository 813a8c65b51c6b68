// The deployed Worker contains nothing that belongs on a developer's machine only, and is small.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { Client } from "../support/client.mjs";
import { DEPLOYED, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { WORKER_KB_MAX, workerKb } from "../support/worker-size.mjs";

test("the deployed build issues no tokens and fails for nobody, and serves calls", async () => {
  const edge = await startEdge(DEPLOYED);
  try {
    for (const path of ["/v1/dev/token", "/v1/dev/wait", "/v1/dev/panic", "/v1/dev/fail-writes/0/1/undone"]) {
      const body = JSON.stringify({ room: "daily", participant: "ada" });
      const response = await fetch(edge.http + path, { method: "POST", body, headers: { connection: "close" } });
      assert.equal(response.status, 404, path);
      assert.equal((await response.json()).code, "not_found");
    }
    await MediaNode.start(edge);
    const ada = await Client.join(edge, "daily", "ada");
    assert.equal(ada.joined.type, "joined");
    await ada.close();
  } finally {
    await edge.stop();
  }
});

test("the deployed module does not even contain the routes", () => {
  const wasm = readFileSync(new URL("../../../edge/build/index_bg.wasm", import.meta.url));
  assert.ok(!wasm.includes("asked for by a test"), "edge/build has the development routes: cargo xtask build edge");
});

test("the deployed Worker is small", (context) => {
  const kb = workerKb();
  context.diagnostic(`${kb.toFixed(1)} KB, compressed`);
  assert.ok(kb <= WORKER_KB_MAX, `${kb} KB, compressed`);
});
