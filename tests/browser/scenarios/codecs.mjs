// A camera in H.264: browsers that support it decode it in every layer, and others say that they cannot.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/** Large enough for three layers: 180, 360 and 720 lines. */
const CAMERA = { devices: { width: 1280, height: 720 }, query: { codec: "h264" } };
const WIDE = [2200, 1500];
const NARROW = [420, 420];
/** Estimates of a busy machine's uplink grow slowly; the effect of a tile's size takes a second. */
const CHANGE_MS = 45_000;

export function codecScenarios(world) {
  describe("a camera in H.264", () => {
    const room = "codecs";
    let ada, grace;

    test("is decoded at the size of the tile", async () => {
      const { stack, chromium } = world;
      ada = await Participant.join(stack, chromium, room, "ada");
      await ada.page.resize(...WIDE);
      grace = await Participant.join(stack, chromium, room, "grace", CAMERA);
      await ada.sees([grace]);
      await decodes(ada, "720 lines", (lines) => lines === 720);
      await ada.page.resize(...NARROW);
      await decodes(ada, "at most 360 lines", (lines) => lines <= 360);
      await ada.page.resize(...WIDE);
      await decodes(ada, "720 lines again", (lines) => lines === 720);
    });

    test("is beside one in VP8, which its publisher sees", () => grace.sees([ada]));

    test("is decoded by Firefox, or Firefox says that it cannot", async () => {
      const alan = await Participant.join(world.stack, world.firefox, room, "alan");
      const reads = await alan.page.evaluate(() =>
        RTCRtpReceiver.getCapabilities("video").codecs.some(({ mimeType }) => mimeType === "video/H264"),
      );
      if (reads) {
        await alan.sees([ada, grace]);
      } else {
        await alan.sees([ada]);
        await alan.seesTile("grace", "cannot be shown", (tile) => /cannot be shown/.test(tile?.label ?? ""));
      }
      for (const person of [ada, grace, alan]) {
        assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
        await person.close();
      }
    });
  });
}

/** Waits until a viewer decodes an H.264 picture of an accepted size. */
function decodes(viewer, what, test) {
  let decoded = 0;
  return until(`${viewer.id} decodes ${what}`, async () => {
    const entries = await viewer.page.evaluate(() => window.senses.entries("inbound-rtp", "codec"));
    const codecs = new Map(entries.filter(({ mimeType }) => mimeType !== undefined).map(({ id, mimeType }) => [id, mimeType]));
    const isH264 = ({ kind, codecId }) => kind === "video" && codecs.get(codecId) === "video/H264";
    const picture = entries.find((entry) => isH264(entry) && entry.frameHeight > 0);
    if (picture === undefined || !test(picture.frameHeight)) throw new Error(`${picture?.frameHeight} lines`);
    const isNew = decoded > 0 && picture.framesDecoded > decoded;
    decoded = picture.framesDecoded;
    return isNew;
  }, CHANGE_MS);
}
