// A recording from the users' side: a host starts it, everybody is told, and it can be played after the call.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { join } from "./devices.mjs";

const HOST = { claims: { grants: { publish: true, subscribe: true, moderate: true, record: true } } };
const RECORDED_MS = 6_000;
const READY_MS = 20_000;
/** `RELOAD_WINDOW_MS`, and two seconds. */
const IN_LOBBY_MS = 7_000;

export function recordingScenarios(world) {
  describe("a recording", () => {
    const room = "recorded";

    // Holds S0-SIG-07, S0-REC-03, S0-TEST-03, S1-REC-01.
    test("everybody sees that it runs, and a host plays it after the call", async () => {
      const { stack, chromium } = world;
      const ada = await Participant.join(stack, chromium, room, "ada", HOST);
      const grace = await Participant.join(stack, chromium, room, "grace");
      await grace.sees([ada]);
      await chooses(ada, "record");
      await until("grace is told", () => badge(grace, "recording"));
      await new Promise((resolve) => setTimeout(resolve, RECORDED_MS));
      await chooses(ada, "stop_recording");
      await until("the badge is gone", async () => !(await badge(grace)));
      await grace.press("leave");
      await ada.press("leave");
      await until("both pictures can be played", () => ada.page.evaluate(() => document.querySelectorAll(".recordings video").length === 2), READY_MS);
      const played = await until("a recording plays", async () => {
        const shown = await ada.page.evaluate(async () => {
          const video = document.querySelector(".recordings video");
          video.muted = true;
          await video.play();
          const { totalVideoFrames: frames, corruptedVideoFrames: corrupted } = video.getVideoPlaybackQuality();
          return { at: video.currentTime, lasts: video.duration, width: video.videoWidth, frames, corrupted };
        });
        return shown.at > 1 && shown.frames > 10 && shown;
      });
      console.log(`played ${played.frames} frames of ${played.lasts.toFixed(1)} s`);
      assert.equal(played.corrupted, 0);
      assert.ok(Math.abs(played.lasts - RECORDED_MS / 1_000) < 2.5, `${played.lasts} s`);
      const after = await ada.page.evaluate(async () => {
        const video = document.querySelector(".recordings video");
        video.currentTime = 3;
        await new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
        return video.currentTime;
      });
      assert.ok(after >= 3 && after < 4, `jumped to ${after}`);
    });

    test("a reload through the lobby, slower than the reload window, keeps it", async () => {
      const ada = await Participant.open(world.stack, world.chromium, "reloaded", "ada", { auto: false, ...HOST });
      await join(ada);
      await ada.isInCall();
      await chooses(ada, "record");
      await until("the recording runs", () => badge(ada, "recording"));
      await ada.page.reload();
      await ada.reads(/Join/);
      await new Promise((resolve) => setTimeout(resolve, IN_LOBBY_MS));
      await join(ada);
      await ada.isInCall();
      await until("it still runs", () => badge(ada, "recording"));
      await chooses(ada, "stop_recording");
      await until("the badge is gone", async () => !(await badge(ada)));
      await ada.press("leave");
      const states = () => ada.page.evaluate(() => [...document.querySelectorAll("[data-recording]")].map(({ dataset }) => dataset.state));
      await until("it can be played", async () => (await states()).includes("ready"), READY_MS);
      assert.deepEqual(await states(), ["ready"], "one recording, which nothing interrupted");
      await ada.close();
    });
  });
}

export function badge(person, state) {
  const selector = `.recording-badge${state ? `[data-state="${state}"]` : ""}`;
  return person.page.evaluate((query) => document.querySelector(query) !== null, selector);
}

export async function chooses(person, what) {
  await person.press("more");
  await person.page.click(`[role="menuitem"][data-choice="${what}"]`);
}
