// Small help in a call: hints, sounds, volumes, a small window, the other camera, and diagnostics.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { openSettings } from "./devices.mjs";

const PHONE = [360, 740];
const DESK = [1280, 800];
/** A muted speaker is told within this time, if at all. */
const HINT_MS = 3_000;

export function comfortScenarios(world) {
  describe("comfort", () => {
    const room = "comfort";
    let ada, grace;

    before(async () => {
      const { stack, chromium } = world;
      ada = await Participant.join(stack, chromium, room, "ada", { first: [[recordUse]] });
      grace = await Participant.join(stack, chromium, room, "grace");
      await ada.sees([grace]);
    });

    after(() => Promise.all([ada, grace].map((person) => person?.close())));

    const used = (name) => ada.page.evaluate((what) => window.used[what], name);
    const choose = async (item) => {
      await ada.press("more");
      await ada.page.click(`[data-choice="${item}"]`);
    };

    test("the lobby plays a sound on the speaker", async () => {
      const lin = await Participant.open(world.stack, world.chromium, room, "lin", { auto: false, first: [[recordUse]] });
      await lin.page.click("#test-speaker");
      const says = () => lin.page.evaluate(() => document.querySelector(".speaker-test [role=status]").textContent);
      await until("it plays", async () => (await says()) === "You should hear a short melody");
      await until("it is over", async () => (await says()) === "");
      assert.equal(await lin.page.evaluate(() => window.used.sounds), 1);
      await lin.close();
    });

    test("the screen stays on during the call", async () => {
      assert.deepEqual(await used("locks"), ["screen"]);
    });

    test("a muted person who speaks is told, but only on request: a muted microphone is not listened to", async () => {
      const hint = () => ada.page.evaluate(() => document.querySelector(".notice").textContent.includes("You’re muted"));
      await ada.press("microphone");
      await new Promise((resolve) => setTimeout(resolve, HINT_MS));
      assert.equal(await hint(), false);
      assert.equal(await used("copies"), 0);
      await openSettings(ada);
      await ada.page.click("#muted-hint");
      await until("ada is told", hint);
      assert.equal(await used("copies"), 1);
      await ada.hears([grace]);
      await grace.hears([]);
      await ada.page.click("#muted-hint");
      await until("nothing is listened to", async () => (await used("live")) === 0);
      await ada.press("microphone");
      await ada.page.keys("Escape");
    });

    test("one person is made quieter, and silent", async () => {
      const volume = () => ada.page.evaluate(() => [...document.querySelectorAll("audio")].map((audio) => (audio.muted ? 0 : audio.volume)).filter((loud) => loud !== 1));
      await ada.hears([grace]);
      await ada.page.click("[data-participant=grace] .dots");
      await ada.page.click('[data-choice="volume"]');
      await until("the volume has the focus", () => ada.page.evaluate(() => document.activeElement?.type === "range"));
      await ada.page.keys("Home");
      await ada.hears([]);
      assert.deepEqual(await volume(), [0]);
      await ada.page.keys("ArrowRight", "ArrowRight");
      await until("it is low", async () => (await volume()).join() === "0.1");
      await ada.page.keys("End");
      await ada.hears([grace]);
      await ada.press("people");
    });

    test("sounds of joining and leaving are off until they are wanted", async () => {
      const visit = async () => (await Participant.join(world.stack, world.chromium, room, "lin")).close();
      await visit();
      await ada.reads(/Lin left/);
      assert.equal(await used("sounds"), 0);
      await openSettings(ada);
      await ada.page.click("#sounds");
      await ada.page.keys("Escape");
      await visit();
      await until("a sound was played", async () => (await used("sounds")) > 0);
    });

    test("a phone turns its camera around", async () => {
      await ada.page.resize(...PHONE);
      const camera = () => ada.page.evaluate(() => window.rotunda.snapshot.camera.deviceId);
      for (const expected of ["back", "front"]) {
        await choose("flip");
        await until(`the ${expected} camera is on`, async () => (await camera()) === expected);
      }
      await ada.page.resize(...DESK);
      await grace.sees([ada]);
    });

    test("the other person is in a small window over other programs", async () => {
      const shown = () => ada.page.evaluate(() => {
        const { pictureInPictureElement: video } = document;
        return video === null ? null : [video.videoWidth > 0, video.srcObject?.getVideoTracks()[0]?.id === window.rotunda.participants[0].tracks.find(({ source }) => source === "camera").media.id];
      });
      await choose("picture");
      await until("grace is in it", async () => (await shown())?.join() === "true,true");
      await choose("picture");
      await until("it is closed", async () => (await shown()) === null);
    });

    test("the diagnostics show the path and every track, and the copy names nobody", async () => {
      await choose("diagnostics");
      const text = (selector) => ada.page.evaluate((where) => document.querySelector(where)?.textContent ?? "", selector);
      await until("the path is shown", async () => /host · host · UDP/.test(await text('#diagnostics-panel [data-row="way"]')));
      assert.match(await text('#diagnostics-panel [data-row="node"]'), /127\.0\.0\.1:\d+/);
      await until("grace's camera is shown", async () => /VP8 · \d+ × \d+, \d+ fps · /.test(await text('[data-diagnosed=grace] [data-row="camera"]')));
      await until("ada's microphone is shown", async () => /opus · /.test(await text('[data-diagnosed=ada] [data-row="microphone"]')));
      await ada.page.click("#copy-diagnostics");
      const copy = await until("it is copied", () => used("copied"));
      const { path, participants } = JSON.parse(copy);
      assert.equal(path.local, "host");
      assert.deepEqual(participants.slice(0, 2).map(({ participant }) => participant), ["self", 1]);
      assert.doesNotMatch(copy, /grace|ada|comfort|token/i);
      await ada.page.keys("Escape");
      for (const person of [ada, grace]) assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
    });

    test("the screen may turn off after the call", async () => {
      await ada.press("leave");
      await until("the lock is released", async () => (await used("locks")).length === 0);
    });
  });
}

/** Runs in the page, before the app: counts copies of tracks and sounds, and keeps what is locked and copied. */
function recordUse() {
  window.used = { copies: 0, live: 0, sounds: 0, locks: [], copied: null };
  const { clone, stop } = MediaStreamTrack.prototype;
  const copies = new Set();
  MediaStreamTrack.prototype.clone = function record() {
    const copy = clone.call(this);
    copies.add(copy);
    window.used.copies += 1;
    window.used.live += 1;
    return copy;
  };
  MediaStreamTrack.prototype.stop = function record() {
    if (copies.delete(this)) window.used.live -= 1;
    stop.call(this);
  };
  window.Audio = class extends window.Audio {
    play() {
      window.used.sounds += 1;
      return super.play();
    }
  };
  // Without a display the browser refuses both.
  navigator.wakeLock.request = async (kind) => {
    window.used.locks.push(kind);
    return { release: async () => void window.used.locks.pop() };
  };
  navigator.clipboard.writeText = async (text) => {
    window.used.copied = text;
  };
}
