// A room with more viewers than its list of participants names.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "../../edge/support/client.mjs";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const VIEWERS = 36;
/** Of these, so many are in everybody's list. */
const LISTED = 32;
const GRANTS = { publish: false, subscribe: true, chat: true, moderate: false, record: false };
/** Joins of so many take a while on a busy machine. */
const COUNTED_MS = 30_000;

export function audienceScenarios(world) {
  describe("the audience of a large room", () => {
    const room = "hall";
    const viewers = [];
    let ada;

    before(async () => {
      const { stack, chromium } = world;
      ada = await Participant.join(stack, chromium, room, "ada", { claims: { grants: { ...GRANTS, publish: true, moderate: true } } });
      const edge = { ws: stack.url.replace("http", "ws") };
      for (let number = 0; number < VIEWERS; number++) {
        const id = `viewer-${10 + number}`;
        const token = stack.token(room, id, { name: `Viewer ${10 + number}`, grants: GRANTS });
        viewers.push(await Client.join(edge, room, id, { token, tracks: [] }));
      }
      await ada.press("people");
    });

    after(() => Promise.all([ada, ...viewers].map((person) => person?.close())));

    const title = () => ada.page.evaluate(() => document.querySelector(".audience h3")?.textContent);
    const names = () => ada.page.evaluate(() => [...document.querySelectorAll("[data-viewer] .who")].map(({ textContent }) => textContent));
    const press = (selector) => ada.page.evaluate((selector) => document.querySelector(selector).click(), selector);

    test("is a number, whose names are shown on request", async () => {
      await until("ada sees the number", async () => (await title()) === `${VIEWERS - LISTED} viewers`, COUNTED_MS);
      assert.deepEqual(await names(), []);
      await press(".audience > button");
      await until("ada sees names", async () => (await names()).length > 0);
      assert.deepEqual(await names(), ["Viewer 42", "Viewer 43", "Viewer 44", "Viewer 45"]);
    });

    test("can be removed by a moderator", async () => {
      const removed = viewers.at(-1);
      await press('[aria-label="Remove Viewer 45"]');
      await until("ada sees one viewer less", async () => (await title()) === `${VIEWERS - LISTED - 1} viewers`, COUNTED_MS);
      await removed.find(({ type }) => type === "removed", "the removal");
      await press(".audience > button");
      await until("the name is gone", async () => (await names()).length === VIEWERS - LISTED - 1);
    });
  });
}
