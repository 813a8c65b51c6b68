// A viewer's picture and sound on a bad link. The bounds are wide, so that they hold on a slow machine too;
// `tests/scenarios/bad_links.rs` has the exact ones.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const CAMERA = { devices: { width: 1280, height: 720, detail: 120 } };
const WIDE = [2200, 1500];
/** An estimate falls within this time, and the next layer's key frame arrives. */
const SETTLES_MS = 3_000;
const LASTS_MS = 7_000;
/** The whole picture is back within this time. */
const BACK_MS = 20_000;

/**
 * The links, one after the other: towards the viewer, or of the publisher's uplink. `frozenMs` bounds the whole row,
 * the step included.
 */
const ROWS = [
  { name: "down 1.5 Mbit/s", down: { downKbps: 1_500 }, frozenMs: 2_000, lines: [180, 360, 720], concealed: 0.05 },
  { name: "down 600 kbit/s", down: { downKbps: 600 }, frozenMs: 3_000, lines: [180, 360], concealed: 0.08 },
  { name: "down 300 kbit/s", down: { downKbps: 300 }, frozenMs: 5_000, lines: [180, 360], concealed: 0.15 },
  { name: "5 % loss towards the viewer", down: { downLoss: 5 }, frozenMs: 2_000, lines: [180, 360, 720], concealed: 0.05 },
  { name: "200 ms and 5 % loss", down: { delayMs: 100, downLoss: 5 }, frozenMs: 4_000, lines: [180, 360, 720], concealed: 0.08 },
  { name: "up 600 kbit/s", up: { upKbps: 600 }, frozenMs: 5_000, lines: [180, 360], concealed: 0.1 },
];
/** Firefox hides nothing of its sound's losses, and needs longer. */
const OF_FIREFOX = ["down 600 kbit/s", "5 % loss towards the viewer"];

export function badLinkScenarios(world) {
  for (const place of [0, 1]) {
    const kind = ["chromium", "firefox"][place];
    describe(`bad links, seen by ${kind}`, () => {
      let ada, grace;

      test("the whole picture comes", async () => {
        const { stack, publisher, viewers } = world;
        grace = await Participant.join(stack, viewers[place].browser, `bad-${kind}`, "grace");
        if (kind === "chromium") await grace.page.resize(...WIDE);
        ada = await Participant.join(stack, publisher.browser, `bad-${kind}`, "ada", CAMERA);
        await isWhole();
      });

      for (const row of ROWS.filter(({ name }) => kind === "chromium" || OF_FIREFOX.includes(name))) {
        test(row.name, async () => {
          const { publisher, viewers } = world;
          await grace.page.evaluate(() => window.senses.sample("ada"));
          viewers[place].network.worsen(row.down);
          publisher.network.worsen(row.up);
          await sleep(SETTLES_MS + LASTS_MS);
          const seen = await grace.page.evaluate(() => window.senses.sampled("ada"));
          console.log(`${kind}, ${row.name}: ${JSON.stringify(seen)}`);
          viewers[place].network.worsen();
          publisher.network.worsen();
          assert.ok(seen.frozenMs <= row.frozenMs, `frozen for ${seen.frozenMs} ms`);
          assert.ok(row.lines.includes(seen.lines) || kind === "firefox", `${seen.lines} lines`);
          assert.ok(seen.framesPerSecond >= 5, `${seen.framesPerSecond} frames per second`);
          assert.ok(seen.concealed <= row.concealed, `${seen.concealed} of the sound is invented`);
          await isWhole();
        });
      }

      after(async () => {
        for (const person of [ada, grace]) await person?.close();
      });

      /** Waits for the best picture on a good link: in Chromium's large window it has all lines. */
      function isWhole() {
        return until(`grace sees all of ada's picture in ${kind}`, async () => {
          const before = await grace.page.evaluate(() => document.querySelector('[data-participant="ada"] video')?.videoHeight ?? 0);
          if (before < (kind === "chromium" ? 720 : 180)) throw new Error(`${before} lines`);
          return true;
        }, BACK_MS);
      }
    });
  }
}
