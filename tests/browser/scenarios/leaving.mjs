// Leaving without the button: to another page and back, by closing the tab, by a crash. Devices turn off, and the
// others see it in time.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Browser } from "../browsers.mjs";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/** `RELOAD_WINDOW_MS` and `RESUME_WINDOW_MS`, plus delays of alarms, frames and two busy cores. */
const CLOSED_MS = 5_000;
const LOST_MS = 30_000;
const LATE_MS = 2_500;

export function leavingScenarios(world) {
  describe("who leaves without a word", () => {
    let elsewhere, server;

    // On another port: Chromium does not cache pages with a call when another site replaces them.
    before(async () => {
      server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<h1>Elsewhere</h1>"));
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      elsewhere = `http://127.0.0.1:${server.address().port}/`;
    });

    after(() => server?.close());

    test("for another page is gone after 5 s; back from the browser's cache, where no device was on, they go on as they were", async () => {
      const { stack, chromium } = world;
      const grace = await Participant.join(stack, chromium, "away-chromium", "grace");
      const ada = await Participant.join(stack, chromium, "away-chromium", "ada", { first: [[watched]] });
      await Promise.all([grace.sees([ada]), ada.sees([grace])]);
      await ada.press("microphone");
      await until("ada is muted", async () => (await ada.page.evaluate(() => window.devicesHot())).join() === "front");
      for (const isLong of [false, true]) {
        await ada.page.evaluate(() => Object.assign(window, { isSame: true }));
        const leftAtMs = performance.now();
        await ada.page.open(elsewhere);
        if (isLong) await isGone(grace, ada, leftAtMs, CLOSED_MS);
        await ada.page.evaluate(() => void history.back());
        await until("ada's page is back", () => ada.page.evaluate(() => window.isSame === true));
        assert.deepEqual(await ada.page.evaluate(() => window.whenShown), { inUse: 0, connections: 0 }, "in the cache");
        await Promise.all([grace.sees([ada]), ada.sees([grace])]);
        await Promise.all([grace.hears([]), ada.hears([grace])]);
        assert.deepEqual(await ada.page.evaluate(() => window.devicesHot()), ["front"], "off stays off");
        await ada.page.evaluate(() => Object.assign(window, { isSame: false }));
      }
      await Promise.all([ada.close(), grace.close()]);
    });

    test("for another page in Firefox, which discards a page with a call, is gone after 5 s and joins again by Back", async () => {
      const { stack, firefox } = world;
      const grace = await Participant.join(stack, firefox, "away-firefox", "grace");
      const ada = await Participant.join(stack, firefox, "away-firefox", "ada");
      await grace.sees([ada]);
      const leftAtMs = performance.now();
      await ada.page.open(elsewhere);
      await isGone(grace, ada, leftAtMs, CLOSED_MS);
      await ada.page.evaluate(() => void history.back());
      await Promise.all([grace.sees([ada]), ada.sees([grace])]);
      await Promise.all([ada.close(), grace.close()]);
    });

    test("by closing the tab is gone after 5 s", async () => {
      const { stack, chromium, firefox } = world;
      const grace = await Participant.join(stack, chromium, "closed", "grace");
      const others = await Promise.all([Participant.join(stack, chromium, "closed", "ada"), Participant.join(stack, firefox, "closed", "alan")]);
      await grace.sees(others);
      const leftAtMs = performance.now();
      await Promise.all(others.map((other) => other.close()));
      await Promise.all(others.map((other) => isGone(grace, other, leftAtMs, CLOSED_MS)));
      await grace.close();
    });

    test("by a crash of the page or of the whole browser is gone after the time to resume", async () => {
      const { stack, chromium } = world;
      const doomed = await Browser.start("firefox");
      try {
        const grace = await Participant.join(stack, chromium, "crashed", "grace");
        const ada = await Participant.join(stack, chromium, "crashed", "ada");
        const alan = await Participant.join(stack, doomed, "crashed", "alan");
        await grace.sees([ada, alan]);
        const leftAtMs = performance.now();
        await Promise.all([ada.page.crash(), doomed.stop()]);
        for (const other of [ada, alan]) {
          await grace.seesTile(other.id, "is reconnecting or gone", (tile) => tile === null || /reconnecting/i.test(tile.label));
        }
        await Promise.all([ada, alan].map((other) => isGone(grace, other, leftAtMs, LOST_MS)));
        await Promise.all([ada.close(), grace.close()]);
      } finally {
        await doomed.stop();
      }
    });
  });
}

async function isGone(watcher, { id }, sinceMs, withinMs) {
  await watcher.seesTile(id, "is gone", (tile) => tile === null, sinceMs + withinMs + LATE_MS - performance.now());
}

/** Runs in the page, before the app: records which devices and connections are open when the page leaves the cache. */
function watched() {
  const connections = [];
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  window.addEventListener("pageshow", () => {
    window.whenShown = { inUse: window.devicesInUse(), connections: connections.filter(({ signalingState }) => signalingState !== "closed").length };
  });
}
