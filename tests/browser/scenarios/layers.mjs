// Layers of a camera: a viewer gets no more of it than the tile can show, and a layer nobody watches is not sent.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/** Large enough for three layers: 180, 360 and 720 lines. */
const CAMERA = { devices: { width: 1280, height: 720 } };
const WIDE = [2200, 1500];
const NARROW = [420, 420];
/** The uplink of a busy machine is believed slowly; what follows from a tile takes a second. */
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
}

/** Waits until the picture that a viewer decodes is so large. */
function getsLines(viewer, what, test) {
  let decoded = 0;
  return until(`${viewer.id} gets ${what}`, async () => {
    const entries = await viewer.page.evaluate(() => window.senses.entries("inbound-rtp"));
    const picture = entries.filter(({ kind, frameHeight }) => kind === "video" && frameHeight > 0)[0];
    if (picture === undefined || !test(picture.frameHeight)) throw new Error(`${picture?.frameHeight} lines`);
    // What is shown is the last frame that came, so another one has to come.
    const isNew = decoded > 0 && picture.framesDecoded > decoded;
    decoded = picture.framesDecoded;
    return isNew;
  }, CHANGE_MS);
}

/** Frames of the highest layer that a publisher has sent. */
async function framesSent(publisher) {
  const entries = await publisher.page.evaluate(() => window.senses.entries("outbound-rtp"));
  const top = entries.find(({ kind, rid }) => kind === "video" && rid === "f");
  assert.ok(top !== undefined, `layers ${JSON.stringify(entries.map(({ rid }) => rid))}`);
  return top.framesSent ?? 0;
}
