// The tiles on screen: pages, of which only the visible one is received, the speaker, pinned people, and several screens.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

const DESK = [1280, 800];
/** Room for two tiles. */
const NARROW = [340, 300];
const SILENT = { query: { microphone: 0 } };
/** Longer than the delay of a new view, and than a picture takes on a busy machine. */
const SETTLED_MS = 20_000;
/** Everybody's camera sends many frames in this time. */
const STILL_MS = 1_500;

export function stageScenarios(world) {
  describe("the stage", () => {
    const room = "stage";
    let ada, grace, alan, lin;

    before(async () => {
      const { stack, chromium } = world;
      ada = await Participant.join(stack, chromium, room, "ada", SILENT);
      [grace, alan, lin] = [
        await Participant.join(stack, chromium, room, "grace", SILENT),
        await Participant.join(stack, chromium, room, "alan", SILENT),
        await Participant.join(stack, chromium, room, "lin", SILENT),
      ];
    });

    after(() => Promise.all([ada, grace, alan, lin].map((person) => person?.close())));

    /** The people of the tiles, the large one in brackets, and the page. */
    const shown = () =>
      ada.page.evaluate(() => {
        const tiles = [...document.querySelectorAll("[data-participant]")].map(({ dataset: { participant, large } }) => (large === "true" ? `[${participant}]` : participant));
        const page = document.querySelector(".pager [role=status]")?.textContent ?? "";
        return [...tiles, page].join(" ").trim();
      });
    const shows = (expected) =>
      until(`ada sees ${expected}`, async () => {
        const now = await shown();
        if (now !== expected) throw new Error(now);
        return true;
      });

    /** The number of frames received of everybody's camera. */
    const frames = () =>
      ada.page.evaluate(async () => {
        const entries = await window.senses.entries("inbound-rtp");
        const received = (id) => entries.find(({ trackIdentifier }) => trackIdentifier === id)?.framesReceived ?? 0;
        const camera = ({ tracks }) => tracks.find(({ source }) => source === "camera")?.media?.id;
        return Object.fromEntries(window.rotunda.participants.map((person) => [person.id, received(camera(person))]));
      });
    /** Waits until exactly these people's cameras arrive. */
    const receives = (...people) =>
      until(`ada receives ${people.join(" and ")}`, async () => {
        const first = await frames();
        await new Promise((resolve) => setTimeout(resolve, STILL_MS));
        const second = await frames();
        const moved = Object.keys(second).filter((id) => second[id] > first[id]);
        if (moved.sort().join() !== people.sort().join()) throw new Error(`${moved} of ${JSON.stringify(second)}`);
        return true;
      }, SETTLED_MS);

    test("has pages where not everybody fits, and only the cameras on screen are received", async () => {
      await ada.page.resize(...DESK);
      await shows("grace alan lin ada");
      await receives("grace", "alan", "lin");
      await ada.page.resize(...NARROW);
      await shows("grace ada 1 / 2");
      await receives("grace");
      await ada.page.click("#next-page");
      await shows("alan lin 2 / 2");
      await receives("alan", "lin");
      await ada.sees([alan, lin]);
      // The button that does nothing now keeps the focus, and the keys turn pages too.
      await ada.page.click("#next-page");
      await shows("alan lin 2 / 2");
      await ada.page.keys("b");
      await shows("grace ada 1 / 2");
      await receives("grace");
      await ada.sees([grace]);
      await ada.page.resize(...DESK);
      await receives("grace", "alan", "lin");
    });

    test("in speaker view the speaker is large, and a pinned person stays so", async () => {
      await ada.page.keys("l");
      await shows("[grace] alan lin ada");
      await lin.press("microphone");
      await shows("[lin] grace alan ada");
      await lin.press("microphone");
      await ada.page.click("[data-participant=alan] .dots");
      await ada.page.click('[data-choice="pin"]');
      await shows("[alan] grace lin ada");
      const focused = () => ada.page.evaluate(() => document.activeElement?.closest("[data-participant]")?.dataset.participant);
      assert.equal(await focused(), "alan", "the focus stays on the menu of the pinned person");
      await grace.press("microphone");
      await ada.seesTile("grace", "speaks", (tile) => /speaking/.test(tile.label));
      await shows("[alan] grace lin ada");
      await ada.page.click('[aria-label="Unpin Alan"]');
      await shows("[grace] alan lin ada");
      await grace.press("microphone");
      await ada.page.keys("l");
      await shows("grace alan lin ada");
    });

    test("hides one's own tile, and shows it again", async () => {
      await ada.page.click("[data-participant=ada] .dots");
      await ada.page.click('[data-choice="hide"]');
      await shows("grace alan lin");
      await ada.press("more");
      await ada.page.click('[data-choice="show"]');
      await shows("grace alan lin ada");
    });

    test("shows the latest of several screens, and any other one that is chosen", async () => {
      const screens = () =>
        ada.page.evaluate(() => {
          const small = [...document.querySelectorAll("[data-small-screen]")].map(({ dataset }) => dataset.smallScreen);
          return [`[${document.querySelector("[data-screen]")?.dataset.screen ?? ""}]`, ...small].join(" ");
        });
      const seesScreens = (expected) => until(`ada sees the screens ${expected}`, async () => (await screens()) === expected);
      for (const person of [grace, alan]) await person.press("screen");
      await seesScreens("[alan] grace");
      await ada.page.click("[data-small-screen=grace] .cover");
      await seesScreens("[grace] alan");
      await until("the chosen screen is received", async () => (await ada.page.evaluate(() => window.senses.screen()))?.width === 1280);
      await lin.press("screen");
      await seesScreens("[grace] lin alan");
      await ada.page.click(".screen .pin");
      await seesScreens("[lin] alan grace");
      for (const person of [lin, alan]) await person.press("screen");
      await seesScreens("[grace]");
      await grace.press("screen");
      await shows("grace alan lin ada");
      for (const person of [ada, grace, alan, lin]) assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
    });
  });
}
