// A link that is too slow for the whole picture: the viewer gets a smaller one, and sees the reason.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/**
 * Large enough for three layers: 180, 360 and 720 lines, and a tile that shows all of them. The largest needs about 1
 * Mbit/s.
 */
const CAMERA = { devices: { width: 1280, height: 720, detail: 120 } };
const WIDE = [2200, 1500];
/** An estimate must fall or grow, and a key frame must arrive. */
const CHANGE_MS = 45_000;
/** Measured: 3 s for the picture, and 2 s until its layer counts as settled. */
const WHOLE_MS = 10_000;
/** Video is retried after 15 s, and after a failure again 30 s later. */
const BACK_MS = 75_000;
const BARS = '[data-participant="ada"] .bars';

export function qualityScenarios(world) {
  describe("the quality of a connection", () => {
    let ada, grace;

    test("behind a participant's bars is what was measured, by mouse or keyboard", async () => {
      const { stack, home, limited } = world;
      grace = await Participant.join(stack, limited, "quality", "grace");
      await grace.page.resize(...WIDE);
      ada = await Participant.join(stack, home, "quality", "ada", CAMERA);
      await getsLines(720);
      await grace.page.click(BARS);
      const told = await until("grace reads what was measured", async () => {
        const rows = await details();
        if (rows?.picture === undefined || !/^1280 × 720, \d+ fps$/.test(rows.picture)) throw new Error(JSON.stringify(rows));
        // The end of the limit is reported two seconds after the layer changed.
        return rows.roundTrip !== undefined && rows.limit === null && rows;
      }, CHANGE_MS);
      assert.match(told.video, /^[\d.]+ [kM]b\/s$/);
      assert.match(told.sound, /^[\d.]+ kb\/s$/);
      assert.match(told.loss, /^[\d.]+%$/);
      assert.match(told.roundTrip, /^\d+ ms$/);
      assert.match(told.freezes, /^\d+$/);
      assert.match(told.requests, /^\d+ NACK, \d+ PLI$/);
      const focus = () => grace.page.evaluate(() => document.activeElement?.className);
      assert.equal(await focus(), "menu details", "a screen reader reads the details");
      await grace.page.keys("Escape");
      assert.equal(await details(), null);
      assert.equal(await focus(), "bars");
      await grace.page.keys("Enter");
      assert.notEqual(await details(), null);
    });

    // Holds S1-SM-04, S1-QUAL-02, S3-QUAL-04.
    test("on a slow link the picture is smaller, and the reason is the node's", async () => {
      world.network.limit({ downKbps: 600 });
      await reads("smaller", /^Reduced quality: your connection allows about \d+ kb\/s\. Full quality needs [\d.]+ [kM]b\/s, and you’re getting \d+ kb\/s\.$/);
      await getsLines(360, 180);
      await grace.sees([ada]);
      await grace.page.screenshot(join(world.stack.logs, "smaller-picture.png"));
    });

    test("on a link for sound alone the video is paused, and the reason is there too", async () => {
      world.network.limit({ downKbps: 120 });
      await reads("paused", /^Video paused: your connection allows only about \d+ kb\/s\. Full quality needs [\d.]+ [kM]b\/s\.$/);
      await grace.seesTile("ada", "is paused", ({ label }) => /video paused/.test(label), CHANGE_MS);
      await grace.hears([ada]);
    });

    test("on a good link the whole picture is back, and nothing is said", async () => {
      world.network.limit({});
      const restored = Date.now();
      await getsLines(720);
      await until("the reason is gone", async () => (await details()).limit === null, CHANGE_MS);
      assert.ok(Date.now() - restored < WHOLE_MS, `the picture is back after ${Date.now() - restored} ms`);
    });

    // Holds S1-SM-04.
    test("an uplink for sound alone sends no picture, and the user is told", async () => {
      await ada.sees([grace]);
      world.network.limit({ upKbps: 90 });
      await grace.reads(/Your connection is too slow for video\. Others can hear you, but not see you\./, CHANGE_MS);
      await ada.seesTile("grace", "shows no picture", ({ hasVideo }) => !hasVideo, CHANGE_MS);
      await ada.hears([grace]);
      await grace.page.screenshot(join(world.stack.logs, "audio-only.png"));
    });

    test("on a good uplink the picture is back, and the user is told", async () => {
      world.network.limit({});
      await ada.sees([grace], BACK_MS);
      await grace.reads(/Your connection has improved/, BACK_MS);
      for (const person of [ada, grace]) {
        assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
        await person.close();
      }
    });

    /** The text of the open details; `null` if they are closed. */
    function details() {
      return grace.page.evaluate(() => {
        const shown = document.querySelector(".details");
        if (shown === null) return null;
        const rows = [...shown.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row.querySelector("dd").textContent]);
        const reason = shown.querySelector("[data-limit]");
        return { ...Object.fromEntries(rows), limit: reason?.dataset.limit ?? null, reason: reason?.textContent ?? "" };
      });
    }

    function reads(limit, text) {
      return until(`grace reads that the picture is ${limit}`, async () => {
        const shown = await details();
        if (shown?.limit !== limit || !text.test(shown.reason)) throw new Error(JSON.stringify(shown));
        return true;
      }, CHANGE_MS);
    }

    /** Waits until grace decodes new frames with one of these numbers of lines. */
    function getsLines(...lines) {
      let decoded = 0;
      return until(`grace gets ${lines.join(" or ")} lines`, async () => {
        const entries = await grace.page.evaluate(() => window.senses.entries("inbound-rtp"));
        const picture = entries.find(({ kind, frameHeight }) => kind === "video" && frameHeight > 0);
        if (!lines.includes(picture?.frameHeight)) throw new Error(`${picture?.frameHeight} lines`);
        const isNew = decoded > 0 && picture.framesDecoded > decoded;
        decoded = picture.framesDecoded;
        return isNew;
      }, CHANGE_MS);
    }
  });
}
