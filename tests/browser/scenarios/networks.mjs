// A participant who loses the network returns without help: as the same participant, to the current state, without gaps
// or duplicates.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Participant } from "../participant.mjs";
import { everybodySeesAndHears, isMuted } from "./call.mjs";

/** Longer than any reply timeout, shorter than the node's consent timeout (RFC 7675 §5.1: 30 s). */
const DARK_MS = 10_000;
/** Longer than the node's timeout: the session of the returning participant is over. */
const ASLEEP_MS = 35_000;
/** Back-off is bounded by 8 s, followed by a resume, an offer, ICE, a handshake and a key frame. */
const BACK_MS = 20_000;

const TRAVELLERS = ["ada", "grace"];

export function networkScenarios(world) {
  describe("a call outlives its participants' networks", () => {
    const room = "networks";
    let travellers = [];
    let stays;

    test("calls are made across networks", async () => {
      const { stack, home } = world;
      [stays, ...travellers] = await Promise.all([
        Participant.join(stack, home, room, "alan"),
        ...world.travellers.map(({ browser }, index) => Participant.join(stack, browser, room, TRAVELLERS[index])),
      ]);
      await everybodySeesAndHears([stays, ...travellers]);
    });

    // Holds S3-SM-01, S4-TEST-06.
    test("ten seconds without a network: what happened meanwhile is there, once", async (t) => {
      const presence = await watchPresence();
      world.travellers.forEach(({ network }) => network.goDark());
      await stays.press("microphone");
      const late = await Participant.join(world.stack, world.home, room, "lin");
      await sleep(DARK_MS);
      world.travellers.forEach(({ network }) => network.comeBack());
      const people = [stays, late, ...travellers];
      await backWithin(t, people);
      await Promise.all(travellers.map((person) => person.seesTile("alan", "is muted", isMuted)));
      assert.deepEqual(await presence.lost(), [], "nobody who stayed saw them go");
      await stays.press("microphone");
      await late.press("leave");
      await late.close();
      await Promise.all([stays, ...travellers].map((person) => person.seesTile("lin", "is gone", (tile) => tile === null)));
      await everybodySeesAndHears([stays, ...travellers]);
    });

    test("another address: media goes on by itself", async (t) => {
      const presence = await watchPresence();
      world.travellers.forEach(({ network }) => network.changeAddress());
      await backWithin(t, [stays, ...travellers]);
      assert.deepEqual(await presence.lost(), [], "nobody who stayed saw them go");
    });

    test("asleep for longer than any timeout: back as the same participant", async (t) => {
      world.travellers.forEach(({ browser }) => browser.sleep());
      await stays.press("camera");
      await sleep(ASLEEP_MS);
      world.travellers.forEach(({ browser }) => browser.wakeUp());
      await Promise.all(travellers.map((person) => person.seesTile("alan", "has no picture", ({ hasVideo }) => !hasVideo, BACK_MS)));
      await stays.press("camera");
      await backWithin(t, [stays, ...travellers]);
    });

    test("everybody leaves", async () => {
      const everybody = [stays, ...travellers];
      for (const person of everybody) await person.press("leave");
      await Promise.all(everybody.map((person) => person.close()));
    });

    /** Waits until everybody sees everybody move; returns the time that took. */
    async function backWithin(t, people) {
      const since = Date.now();
      const seen = people.map((person) => person.sees(people, BACK_MS).then(() => Date.now() - since));
      const times = await Promise.all(seen);
      for (const [index, person] of people.entries()) {
        const connections = await person.page.evaluate(() => window.senses.connectionCount());
        t.diagnostic(`${person.id} (${person.page.browser}): sees everybody after ${times[index]} ms; connections so far: ${connections}`);
      }
    }

    /** Watches whether the page that stays ever loses a traveller's tile. */
    async function watchPresence() {
      await stays.page.evaluate((ids) => window.senses.watchTiles(ids), TRAVELLERS);
      return { lost: () => stays.page.evaluate(() => window.senses.lostTiles()) };
    }
  });
}
