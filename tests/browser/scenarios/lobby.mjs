// Guests wait in the lobby, and a moderator admits or refuses them; everybody is told there what they must know.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { Stack } from "../stack.mjs";
import { until } from "../until.mjs";
import { badge, chooses } from "./recording.mjs";

const HOST = { claims: { grants: { publish: true, subscribe: true, moderate: true } } };
const RECORDER = { claims: { grants: { publish: true, subscribe: true, moderate: true, record: true } } };
/** The lobby asks every 15 s. */
const TOLD_IN_LOBBY_MS = 25_000;
const WAITING = /Waiting for a moderator to let you in/;

export function lobbyScenarios(world) {
  describe("the lobby", () => {
    const room = "lobby";
    let stack, ada, grace, alan;

    /** A guest asks to be admitted; nothing but the name identifies it. */
    async function knock(id) {
      const guest = await Participant.open(stack, world.chromium, room, id, { guest: true });
      await guest.reads(WAITING);
      return guest;
    }

    /** Checks the waiting guests in the host's list of people. */
    async function sees(names) {
      await until(`${names.join(" and ") || "nobody"} waits`, async () => {
        const waiting = await ada.page.evaluate(() => [...document.querySelectorAll('[aria-label^="Admit "]')].map(({ ariaLabel }) => ariaLabel));
        return waiting.join() === names.map((name) => `Admit ${name}`).join();
      });
    }

    before(async () => {
      stack = await Stack.start({ vars: { GUESTS: "lobby" } });
    });

    after(() => stack?.stop());

    test("a guest waits outside until the host comes and admits them; then both see and hear each other", async () => {
      grace = await knock("grace");
      ada = await Participant.join(stack, world.chromium, room, "ada", HOST);
      await ada.press("people");
      await sees(["Grace"]);
      await grace.reads(WAITING);
      assert.equal(await grace.page.evaluate(() => window.rotunda ?? null), null, "nothing is joined yet");
      await ada.page.click('[aria-label="Admit Grace"]');
      grace.id = await until("grace is in the call", () => grace.page.evaluate(() => window.rotunda?.self?.id ?? null));
      assert.match(grace.id, /^guest-[0-9a-f]{32}$/);
      await Promise.all([ada.sees([grace]), grace.sees([ada])]);
      await Promise.all([ada.hears([grace]), grace.hears([ada])]);
      await sees([]);
    });

    test("another guest is refused and told so, and the call goes on", async () => {
      alan = await knock("alan");
      await sees(["Alan"]);
      await ada.page.click('[aria-label="Decline Alan"]');
      await alan.reads(/A moderator didn’t let you in/);
      assert.equal(await alan.page.evaluate(() => window.rotunda ?? null), null);
      await sees([]);
      await ada.seesTile("alan", "is not there", (tile) => tile === null);
      await Promise.all([ada.sees([grace]), grace.sees([ada])]);
    });

    // Chromium discards a page with a connection, and the lobby prepares one; other browsers keep the page.
    test("a guest who follows a link while waiting has no device on; back from the browser's cache, they wait on", async () => {
      const lin = await Participant.open(stack, world.chromium, room, "lin", { guest: true, auto: false });
      const inUse = () => lin.page.evaluate(() => window.devicesInUse());
      const goes = (type) => lin.page.evaluate((name) => void window.dispatchEvent(new PageTransitionEvent(name, { persisted: true })), type);
      await until("both are open", async () => (await inUse()) === 2);
      await lin.page.click('::-p-aria([name="Join"][role="button"])');
      await lin.reads(WAITING);
      assert.equal(await inUse(), 2);
      await goes("pagehide");
      assert.equal(await inUse(), 0, "in the cache");
      await goes("pageshow");
      await until("both are open again", async () => (await inUse()) === 2);
      await sees(["Lin"]);
      await ada.page.click('[aria-label="Admit Lin"]');
      lin.id = await until("lin is in the call", () => lin.page.evaluate(() => window.rotunda?.self?.id ?? null));
      await Promise.all([ada.sees([lin]), lin.sees([ada])]);
      // The room looks after the devices now.
      await goes("pagehide");
      assert.equal(await inUse(), 0, "in the cache, from the call");
      await goes("pageshow");
      await Promise.all([ada.sees([lin]), lin.sees([ada])]);
      assert.equal(await inUse(), 2);
      await lin.close();
    });

    test("people read in the lobby that the call is recorded, before they join", async () => {
      const { stack, chromium } = world;
      const inLobby = "recorded-lobby";
      const ada = await Participant.join(stack, chromium, inLobby, "ada", RECORDER);
      const visit = (id, options) => Participant.open(stack, chromium, inLobby, id, { auto: false, ...options });
      const reads = (person) => person.page.evaluate(() => document.querySelector(".lobby .recording-badge")?.textContent ?? null);
      const early = await visit("grace");
      await early.reads(/Join/);
      assert.equal(await reads(early), null);
      await chooses(ada, "record");
      await until("the recording runs", () => badge(ada, "recording"));
      const words = { en: /^This call is being recorded\. If you join/, de: /^Dieser Anruf wird aufgezeichnet\. Wenn du beitrittst/ };
      const speak = (language) => [[(chosen) => localStorage.setItem("rotunda.language", chosen), language]];
      for (const [language, text] of Object.entries(words)) {
        for (const options of [{}, { guest: true }]) {
          const late = await visit("alan", { ...options, first: speak(language) });
          await until(`the lobby says so in ${language}`, async () => text.test(await reads(late)));
          assert.equal(await late.page.evaluate(() => window.rotunda ?? null), null, "nothing is joined yet");
          await late.close();
        }
      }
      await until("one who came earlier reads it too", async () => words.en.test(await reads(early)), TOLD_IN_LOBBY_MS);
      await chooses(ada, "stop_recording");
      await until("it is over there too", async () => (await reads(early)) === null, TOLD_IN_LOBBY_MS);
      await Promise.all([ada, early].map((person) => person.close()));
    });

    test("a guest who reloads is let in again without asking", async () => {
      await grace.page.reload();
      await grace.isInCall();
      await ada.sees([grace]);
      await Promise.all([ada, grace, alan].map((person) => person.close()));
    });
  });
}
