// A media node that was not told its address: the edge tells it, and another node finds out whether clients reach it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Network } from "../networks.mjs";
import { until } from "../until.mjs";

/** Longer than the edge waits before it has a silent node probed again. */
const PROBED_AGAIN_MS = 60_000;

export function reachScenarios(world) {
  test("a media node without an address gets rooms where the edge sees it, unless a firewall drops its UDP", async () => {
    const [open, shut] = [await Network.make(), await Network.make()];
    const started = [];
    const start = async (network, name) => {
      started.push(await world.stack.startNodeIn(network, name));
      return started.at(-1);
    };
    try {
      // The firewall stands before the node that serves the other scenarios, the only one that can probe by now.
      shut.blockUdp();
      const silent = await start(shut, "media-silent");
      await silent.program.line((line) => line.includes("did not answer another node's probe"));
      const { status, text } = await silent.page("/readyz");
      assert.equal(status, 503);
      assert.ok(text.startsWith(`UDP port 7000 at ${shut.address}, `) && text.includes("firewall"), text);
      // It lives, and says the same there.
      const health = await silent.page("/healthz");
      assert.equal(health.status, 200);
      assert.ok(health.text.includes(text.trim()), health.text);
      shut.allowUdp();

      const reached = await start(open, "media-reached");
      await reached.program.line((line) => line.includes("another node reached this one"));
      await until("the node in the open is ready", async () => (await reached.page("/readyz")).status === 200, PROBED_AGAIN_MS);
      await until("the node is ready once the firewall lets UDP in", async () => (await silent.page("/readyz")).status === 200, PROBED_AGAIN_MS);
    } finally {
      await Promise.all(started.map(({ program }) => program.kill()));
      await Promise.all([open, shut].map((network) => network.stop()));
    }
  });
}
