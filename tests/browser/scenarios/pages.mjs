// Every page of the app for everybody: with a screen reader, on a phone, in dark mode, by keyboard, in German.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1200, height: 760 };
const HOST = { claims: { grants: { publish: true, subscribe: true, moderate: true } } };

export function pageScenarios(world) {
  describe("the pages", () => {
    const room = "pages";
    /** Reports all of them at once. */
    const problems = [];
    let ada, grace, shots;

    test("have no accessibility violation, in light and dark, and none is wider than a phone", async () => {
      const { stack, chromium } = world;
      shots = join(stack.logs, "pages");
      mkdirSync(shots, { recursive: true });
      const home = await chromium.page();
      await home.open(stack.url);
      await until("the home page is there", () => home.evaluate(() => document.querySelector("h1") !== null));
      await looksGood(home, "home");
      await home.close();

      const lobby = await Participant.open(stack, chromium, room, "alan", { auto: false });
      await until("the lobby shows the camera", () => lobby.page.evaluate(() => document.querySelector("video")?.readyState === 4));
      await looksGood(lobby.page, "lobby");
      await lobby.close();

      ada = await Participant.join(stack, chromium, room, "ada", HOST);
      grace = await Participant.join(stack, chromium, room, "grace");
      await ada.sees([grace]);
      await grace.press("hand");
      await looksGood(ada.page, "call");
      for (const panel of ["chat", "people"]) {
        await ada.press(panel);
        await looksGood(ada.page, panel);
      }
      await ada.press("more");
      await looksGood(ada.page, "more");
      await ada.page.click('[role="menuitem"][aria-label="Devices and settings"]');
      await looksGood(ada.page, "settings");
      await ada.page.keys("Escape");
      await ada.press("more");
      await ada.page.click('[data-choice="diagnostics"]');
      await ada.reads(/Media node/);
      await looksGood(ada.page, "diagnostics");
      await ada.page.keys("Escape");
      await ada.page.click("[data-participant=grace] .dots");
      await ada.page.click('[data-choice="volume"]');
      await looksGood(ada.page, "volume");
      await ada.page.keys("Escape");
      await ada.page.keys("l");
      await looksGood(ada.page, "speaker");
      await ada.page.keys("l");
      await grace.press("screen");
      await until("ada sees the screen", () => ada.page.evaluate(() => window.senses.screen() !== null));
      await looksGood(ada.page, "screen");
      await grace.press("screen");
      assert.deepEqual(problems, []);
    });

    test("are used by keyboard alone", async () => {
      await ada.page.evaluate(() => document.activeElement?.blur());
      await ada.page.keys("c");
      const focused = () => ada.page.evaluate(() => document.activeElement?.tagName);
      await until("the chat has the focus", async () => (await focused()) === "TEXTAREA");
      // Typed letters are not shortcuts.
      await ada.page.keys("m", "v", "Enter");
      await until("the message is there", () => ada.page.evaluate(() => document.querySelector(".message .text")?.textContent === "mv"));
      assert.equal(await ada.page.evaluate(() => window.rotunda.snapshot.microphone.on), true);
      await ada.page.keys("x", "Escape");
      await ada.page.keys("c");
      await until("the half-written message is still there", () => ada.page.evaluate(() => document.activeElement?.value === "x"));
      await ada.page.keys("Escape", "m");
      await grace.seesTile("ada", "is muted", (tile) => /microphone off/.test(tile.label));
      await ada.page.evaluate(() => document.getElementById("more").focus());
      await ada.page.keys("Enter", "ArrowDown", "Enter");
      await until("the settings are open", () => ada.page.evaluate(() => document.getElementById("settings-panel") !== null));
    });

    test("speak German where that is chosen, and look as is chosen", async () => {
      await ada.page.evaluate(() => {
        const choose = (id, value) => {
          const select = document.getElementById(id);
          select.value = value;
          select.dispatchEvent(new Event("change", { bubbles: true }));
        };
        choose("theme", "dark");
        choose("language", "de");
      });
      await ada.reads(/Geräte und Einstellungen/);
      const looks = () => ada.page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.body).backgroundColor]);
      assert.deepEqual(await looks(), ["de", "rgb(19, 22, 20)"]);
      await ada.page.reload();
      await ada.isInCall();
      await ada.press("leave");
      await ada.reads(/Du hast den Raum verlassen/);
      await Promise.all([ada.close(), grace.close()]);
    });

    /** Checks for no accessibility violation and nothing wider than the screen; saves screenshots for people. */
    async function looksGood(page, name) {
      for (const scheme of ["light", "dark"]) {
        for (const [device, { width, height }] of [["desk", DESK], ["phone", PHONE]]) {
          await page.prefer(scheme);
          await page.resize(width, height);
          await page.evaluate(settled, width);
          await page.screenshot(join(shots, `${name}-${device}-${scheme}.png`));
          problems.push(...page.complaints.splice(0).map((complaint) => `${name}: ${complaint}`));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (wide > 0) problems.push(`${name} is ${wide} pixels wider than a ${device}`);
          problems.push(...(await violations(page)).map((found) => `${name} on a ${device}, ${scheme}: ${found}`));
        }
      }
      await page.resize(DESK.width, DESK.height);
    }
  });
}

/** In the page: waits until it has this width, is rendered, and all finite animations have ended. */
async function settled(width) {
  const drawn = () => new Promise(requestAnimationFrame);
  do await drawn();
  while (window.innerWidth !== width);
  await drawn();
  const ends = ({ effect }) => effect.getComputedTiming().endTime !== Infinity;
  await Promise.allSettled(document.getAnimations().filter(ends).map(({ finished }) => finished));
  await drawn();
}

async function violations(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.addScript(AXE);
  return page.evaluate(async () => {
    const { violations: found } = await window.axe.run(document, { resultTypes: ["violations"] });
    return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`));
  });
}
