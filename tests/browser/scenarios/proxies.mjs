// Participants whose proxy blocks WebSockets: signaling runs over HTTP, and the call is the same.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { Proxy } from "../proxy.mjs";
import { until } from "../until.mjs";

export function proxyScenarios(world) {
  describe("a proxy that lets no WebSocket through", () => {
    let proxy, behind;

    before(async () => {
      const { stack } = world;
      proxy = await Proxy.start(stack.url);
      behind = { url: proxy.url, logs: stack.logs, token: (...claims) => stack.token(...claims) };
    });

    after(() => proxy?.stop());

    for (const kind of ["chromium", "firefox"]) {
      // Holds S2-SIG-03.
      test(`in ${kind}: a call with a participant outside, a chat, a cut connection, a closed tab`, async () => {
        const { stack, chromium } = world;
        const room = `proxy-${kind}`;
        const refusedBefore = proxy.refused;
        const grace = await Participant.join(stack, chromium, room, "grace");
        const ada = await Participant.join(behind, world[kind], room, "ada");
        assert.equal(proxy.refused, refusedBefore + 1, "one attempt with a WebSocket");
        await Promise.all([grace.sees([ada]), ada.sees([grace])]);
        await Promise.all([grace.hears([ada]), ada.hears([grace])]);

        await ada.page.evaluate(() => window.rotunda.sendMessage("from behind the proxy"));
        await until("grace reads it", () => grace.page.evaluate(() => window.rotunda.snapshot.chat.some(({ text }) => text === "from behind the proxy")));
        await ada.press("microphone");
        await grace.hears([]);

        const framesBefore = (await ada.media()).framesDecoded;
        proxy.cut();
        await ada.seesTile("ada", "is connected again", (tile) => tile !== null && !/reconnecting/i.test(tile.label));
        await grace.page.evaluate(() => window.rotunda.sendMessage("welcome back"));
        await until("ada reads it", () => ada.page.evaluate(() => window.rotunda.snapshot.chat.some(({ text }) => text === "welcome back")));
        await until("ada decodes on", async () => (await ada.media()).framesDecoded > framesBefore + 20);
        assert.equal(proxy.refused, refusedBefore + 2, "each connection tries a WebSocket first");

        const closedAtMs = performance.now();
        await ada.close();
        await grace.seesTile("ada", "is gone", (tile) => tile === null, 5_000 + 2_500 - (performance.now() - closedAtMs));
        await grace.close();
      });
    }
  });
}
