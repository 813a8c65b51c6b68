// Layers of a camera: a viewer gets no larger layer than its tile can show, and a layer without viewers is not sent.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/** Large enough for three layers: 180, 360 and 720 lines. */
const CAMERA = { devices: { width: 1280, height: 720 } };
const WIDE = [2200, 1500];
const NARROW = [420, 420];
/** Estimates of a busy machine's uplink grow slowly; the effect of a tile's size takes a second. */
const CHANGE_MS = 45_000;

export function layersScenarios(world) {
  for (const browser of ["chromium", "firefox"]) {
    describe(`the layers of a camera in ${browser}`, () => {
      const room = `layers-${browser}`;
      let ada, grace;

      // Holds S1-MED-03.
      test("a large tile gets the whole picture", async () => {
        const { stack, chromium } = world;
        ada = await Participant.join(stack, chromium, room, "ada");
        await ada.page.resize(...WIDE);
        grace = await Participant.join(stack, world[browser], room, "grace", CAMERA);
        await getsLines(ada, "720 lines", (lines) => lines === 720);
      });

      // Holds S-A7-08, S-A7-11.
      test("the sender sets its encodings when it adds the camera; the answer repeats them", async () => {
        const rids = ["q", "h", "f"];
        assert.deepEqual(await grace.page.evaluate(() => window.senses.simulcast()), {
          added: [rids],
          offered: [["send", rids]],
          answered: [["recv", rids]],
          sent: [rids],
        });
      });

      test("a small tile gets a small one, and the layers nobody watches are not sent", async () => {
        await ada.page.resize(...NARROW);
        await getsLines(ada, "at most 360 lines", (lines) => lines <= 360);
        await until("grace sends no frame of the highest layer", async () => {
          const before = await framesSent(grace);
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          return (await framesSent(grace)) === before;
        }, CHANGE_MS);
      });

      test("a tile that grows gets the whole picture again", async () => {
        await ada.page.resize(...WIDE);
        await getsLines(ada, "720 lines again", (lines) => lines === 720);
        for (const person of [ada, grace]) {
          assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
          await person.close();
        }
      });
    });
  }

  describe("a camera that follows a profile", () => {
    // Holds S-A7-01.
    test("has the limits of the uplink's grade: first those of a good one, after the first report those of an excellent one", async () => {
      const { stack, chromium } = world;
      const watching = await Participant.join(stack, chromium, "profile", "grace");
      await watching.page.resize(...WIDE);
      const ada = await Participant.join(stack, chromium, "profile", "ada", { ...CAMERA, query: { profile: "soulseer" }, first: [[recordLimits]] });
      const limits = await until("the limits have changed twice", async () => {
        const changes = await ada.page.evaluate(() => window.limits);
        return changes.some(({ framesPerSecond }) => framesPerSecond === 30) && changes;
      }, CHANGE_MS);
      // The table of S0: 2,000 kbit/s at 25 frames a second for "good", 3,000 at 30 for "excellent".
      const [before, after] = [25, 30].map((wanted) => limits.filter(({ framesPerSecond }) => framesPerSecond === wanted));
      assert.equal(before.length + after.length, limits.length, JSON.stringify(limits));
      assert.ok(before.length > 0 && before.every(({ bitrateBps }) => bitrateBps <= 2_000_000), JSON.stringify(before));
      assert.ok(after.every(({ bitrateBps }) => bitrateBps > 2_000_000 && bitrateBps <= 3_000_000), JSON.stringify(after));
      await Promise.all([ada.close(), watching.close()]);
    });
  });
}

/** Runs in the page, before the app: notes each limit that the camera's sender is given, all layers that are sent together. */
export function recordLimits() {
  window.limits = [];
  const { setParameters } = RTCRtpSender.prototype;
  RTCRtpSender.prototype.setParameters = function set(parameters) {
    const active = parameters.encodings.filter((encoding) => encoding.active);
    const bitrateBps = active.reduce((sum, { maxBitrate }) => sum + maxBitrate, 0);
    window.limits.push({ atMs: performance.now(), bitrateBps, framesPerSecond: active[0]?.maxFramerate });
    return setParameters.call(this, parameters);
  };
}

/** Waits until a viewer decodes pictures of an accepted size. */
function getsLines(viewer, what, test) {
  let decoded = 0;
  return until(`${viewer.id} gets ${what}`, async () => {
    const entries = await viewer.page.evaluate(() => window.senses.entries("inbound-rtp"));
    const picture = entries.filter(({ kind, frameHeight }) => kind === "video" && frameHeight > 0)[0];
    if (picture === undefined || !test(picture.frameHeight)) throw new Error(`${picture?.frameHeight} lines`);
    // The screen shows the last frame received, so a new one must arrive.
    const isNew = decoded > 0 && picture.framesDecoded > decoded;
    decoded = picture.framesDecoded;
    return isNew;
  }, CHANGE_MS);
}

/** The number of frames sent in the publisher's highest layer. */
async function framesSent(publisher) {
  const entries = await publisher.page.evaluate(() => window.senses.entries("outbound-rtp"));
  const top = entries.find(({ kind, rid }) => kind === "video" && rid === "f");
  assert.ok(top !== undefined, `layers ${JSON.stringify(entries.map(({ rid }) => rid))}`);
  return top.framesSent ?? 0;
}
