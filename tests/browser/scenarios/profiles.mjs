// A camera that follows a profile while its uplink gets worse and better.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { recordLimits } from "./layers.mjs";

/** Three layers of 150, 510 and 1,700 kbit/s. */
const CAMERA = { devices: { width: 1280, height: 720 } };
const LAYERS_BPS = 2_360_000;
const WIDE = [2200, 1500];
const CHANGE_MS = 30_000;
/** Below this, a limit leaves too little for the largest layer, and the sum of the others says nothing about it. */
const EXACT_BPS = 660_000 + 0.4 * 1_700_000;

export function profileScenarios(world) {
  describe("a camera that follows a profile on an uplink that changes", () => {
    let grace;

    before(async () => {
      grace = await Participant.join(world.stack, world.viewer, "profiles", "grace");
      await grace.page.resize(...WIDE);
    });

    after(() => grace?.close());

    // Holds S0-QUAL-03, S0-QUAL-04.
    test("soulseer: each grade has its bitrate, size and frame rate", () =>
      following("soulseer", async ({ network, until }) => {
        const table = [
          [{ delayMs: 130 }, 1_000_000, 20],
          [{ delayMs: 230 }, 500_000, 15],
          [{ delayMs: 130 }, 1_000_000, 20],
          [{}, LAYERS_BPS, 30],
        ];
        for (const [link, bitrateBps, framesPerSecond] of table) {
          network.worsen(link);
          await until(`${bitrateBps} bit/s at ${framesPerSecond} frames per second`, (limits) => {
            const last = limits.at(-1);
            return last?.framesPerSecond === framesPerSecond && last.bitrateBps <= bitrateBps;
          });
        }
      }));

    // Holds S2-QUAL-01, S2-QUAL-02, S2-QUAL-03.
    test("cinema: begins with 1 Mbit/s, grows by a fifth each second, and falls by a fifth when round trips are long", () =>
      following("cinema", async ({ network, until, limits }) => {
        const first = await until("a limit", (limits) => limits[0]);
        assert.ok(first.bitrateBps <= 1_000_000, JSON.stringify(first));
        await until("1 Mbit/s has grown twice and three times", (limits) => {
          return [1_440_000, 1_728_000].every((wanted) => limits.some(({ bitrateBps }) => bitrateBps === wanted));
        });
        network.worsen({ delayMs: 250 });
        await until("200 kbit/s", (limits) => limits.at(-1).bitrateBps <= 200_000);
        const rates = (await limits()).map(({ bitrateBps }) => bitrateBps);
        const fallen = exact(rates.slice(rates.lastIndexOf(Math.max(...rates)) + 1));
        assert.ok(fallen.length > 1, rates.join());
        fallen.slice(1).forEach((bitrateBps, index) => assert.ok(Math.abs(bitrateBps / fallen[index] - 0.8) < 0.001, fallen.join()));
        network.worsen();
        await until("1 Mbit/s again", (limits) => limits.at(-1).bitrateBps >= 1_000_000);
      }));

    // Holds S3-QUAL-01, S3-QUAL-02.
    test("kaa: falls by three tenths every five seconds while more than a tenth is lost", () =>
      following("kaa", async ({ network, until, limits }) => {
        network.worsen({ upLoss: 25 });
        const before = (await limits()).length;
        await until("less than the largest layer needs", (limits) => limits.at(-1).bitrateBps < EXACT_BPS);
        const fell = (await limits()).slice(before);
        assert.ok(fell.some(({ bitrateBps }) => bitrateBps === 1_855_000), JSON.stringify(fell));
        const times = fell.filter(({ bitrateBps }, index) => bitrateBps !== fell[index - 1]?.bitrateBps).map(({ atMs }) => atMs);
        times.slice(1).forEach((atMs, index) => assert.ok(atMs - times[index] > 4_500, times.join()));
      }));

    /** Runs with a participant whose camera follows a profile, and the limits that it has had. */
    async function following(profile, act) {
      const { stack, publisher, network } = world;
      const options = { ...CAMERA, query: { profile }, first: [[recordLimits]] };
      const ada = await Participant.join(stack, publisher, "profiles", "ada", options);
      const limits = () => ada.page.evaluate(() => window.limits);
      const read = (what, test) => until(what, async () => {
        const all = await limits();
        const found = test(all);
        if (!found) throw new Error(JSON.stringify(all.slice(-5)));
        return found;
      }, CHANGE_MS);
      try {
        await grace.sees([ada]);
        await act({ network, limits, until: read });
      } finally {
        network.worsen();
        await ada.close();
      }
    }
  });
}

/** The different limits that are as large as the sum of the layers. */
function exact(rates) {
  const usable = rates.filter((bitrateBps) => bitrateBps >= EXACT_BPS && bitrateBps < LAYERS_BPS);
  return usable.filter((bitrateBps, index) => bitrateBps !== usable[index - 1]);
}
