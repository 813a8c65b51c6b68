// People who may not join, or may not stay, are told the reason.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";

export function refusalScenarios(world) {
  describe("refusals", () => {
    test("a moderator removes a participant", async () => {
      const { stack, chromium, firefox } = world;
      const room = "kick";
      const grants = { publish: true, subscribe: true, moderate: true };
      const ada = await Participant.join(stack, chromium, room, "ada", { claims: { grants } });
      const grace = await Participant.join(stack, firefox, room, "grace");
      await ada.sees([grace]);
      await grace.press("people");
      await grace.reads(/In the room/);
      await grace.page.click('#people-panel [aria-label="Actions for Ada"]');
      const offered = await grace.page.evaluate(() => [...document.querySelectorAll("[role=menuitem]")].map(({ ariaLabel }) => ariaLabel));
      assert.deepEqual(offered, ["Volume of Ada"]);
      await ada.press("people");
      await ada.page.click('#people-panel [aria-label="Actions for Grace"]');
      await ada.page.click('[role="menuitem"][aria-label="Remove Grace"]');
      await grace.reads(/You’re no longer in the room/);
      await grace.reads(/A moderator removed you/);
      await ada.seesTile("grace", "is gone", (tile) => tile === null);
      await Promise.all([ada.close(), grace.close()]);
    });

    const refused = (what, words, options) =>
      test(what, async () => {
        const { stack, chromium } = world;
        const person = await Participant.open(stack, chromium, "refused", "ada", options(stack));
        await person.reads(words);
        assert.equal(await person.tile("ada"), null);
        await person.close();
      });

    refused("a token that nobody signed", /This invitation isn’t valid/, (stack) => ({ token: `${stack.token("refused", "ada")}x` }));
    refused("a token whose time is over", /This invitation has expired/, (stack) => ({ token: stack.token("refused", "ada", { iat: 1, exp: 2 }) }));
    refused("a token of another room", /for another room/, (stack) => ({ token: stack.token("elsewhere", "ada") }));

    test("a room that is full", async () => {
      const { stack, chromium, firefox } = world;
      const room = "full";
      const claims = { participants_max: 1 };
      const ada = await Participant.join(stack, chromium, room, "ada", { claims });
      const grace = await Participant.open(stack, firefox, room, "grace", { claims });
      await grace.reads(/The room is full/);
      await ada.press("leave");
      await ada.reads(/You left the room/);
      await grace.page.click('::-p-aria([name="Join"][role="button"])');
      await grace.isInCall();
      await Promise.all([ada.close(), grace.close()]);
    });
  });
}
