// A host is raided by guests from one connection.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const HOST = { claims: { grants: { publish: true, subscribe: true, moderate: true } } };

export function guestScenarios(world) {
  describe("guests", () => {
    const room = "raided";

    test("one choice in the menu of a guest removes all guests of that connection, and nobody else", async () => {
      const { stack, chromium } = world;
      const ada = await Participant.join(stack, chromium, room, "ada", HOST);
      const lin = await Participant.join(stack, chromium, room, "lin");
      const raiders = await Promise.all(["grace", "alan"].map((id) => Participant.open(stack, chromium, room, id, { guest: true })));
      for (const raider of raiders) {
        raider.id = await until("a guest is in the call", () => raider.page.evaluate(() => window.rotunda?.self?.id ?? null));
      }
      await until("everybody is there", () => ada.page.evaluate(() => window.rotunda.participants.length === 3));
      ada.page.agree();
      await ada.press("people");
      const choices = async (name) => {
        await ada.page.click(`#people-panel [aria-label="Actions for ${name}"]`);
        return ada.page.evaluate(() => [...document.querySelectorAll('#people-panel [role="menuitem"]')].map(({ dataset }) => dataset.choice ?? ""));
      };
      assert.ok(!(await choices("Lin")).includes("remove_connection"), "the application vouches for Lin");
      await ada.page.keys("Escape");
      assert.ok((await choices("Grace")).includes("remove_connection"));
      await ada.page.click('#people-panel [data-choice="remove_connection"]');
      for (const raider of raiders) await raider.reads(/A moderator removed you/);
      await until("they are gone", () => ada.page.evaluate(() => window.rotunda.participants.map(({ id }) => id).join() === "lin"));
      const back = await Participant.open(stack, chromium, room, "alan", { guest: true });
      await back.reads(/banned/i);
      const bans = await ada.page.evaluate(() => window.rotunda.listBans());
      assert.deepEqual(bans.map(({ participant, address }) => [participant, address]), [[raiders[0].id, true]]);
      // The host sees who is banned, and lifts the ban in the app.
      await ada.press("more");
      await ada.page.click('[data-choice="bans"]');
      await ada.reads(/Banned people/);
      const listed = await until("the ban is listed", () => ada.page.evaluate(() => document.querySelector("#bans-panel li[data-banned]")?.innerText ?? null));
      assert.match(listed, /Grace.*until.*and everyone else on the same connection/su);
      await ada.page.click('#bans-panel [aria-label="Lift the ban on Grace"]');
      await ada.reads(/Nobody is banned/);
      assert.equal(await ada.page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Banned people");
      assert.deepEqual(await ada.page.evaluate(() => window.rotunda.listBans()), []);
      const again = await Participant.open(stack, chromium, room, "alan", { guest: true });
      await until("a guest is let in again", () => again.page.evaluate(() => window.rotunda?.self?.id ?? null));
      await Promise.all([ada, lin, ...raiders, back, again].map((person) => person.close()));
    });
  });
}
