// The microphone as the system's sound server sees it: open in the lobby and in a call, closed after every exit.
import { after, before, describe, test } from "node:test";
import { Browser } from "../browsers.mjs";
import { Participant } from "../participant.mjs";
import { SoundServer } from "../sound-server.mjs";
import { until } from "../until.mjs";

/** A browser closes a device within this time. */
const OFF_MS = 3_000;

export function microphoneScenarios(world) {
  describe("the system's microphone", () => {
    let sound;

    before(async () => {
      sound = await SoundServer.start();
    });

    after(() => sound?.stop());

    const isOn = () => until("the microphone is on", () => sound.recorders() > 0);
    const isOff = (when) => until(`the microphone is off ${when}`, () => sound.recorders() === 0, OFF_MS);

    /** A participant in a separate room, with the system's microphone. */
    async function talking(browser, room) {
      const ada = await Participant.join(world.stack, browser, room, "ada", { devices: null });
      await isOn();
      return ada;
    }

    for (const kind of ["chromium", "firefox"]) {
      test(`in ${kind} is on in the lobby and the call, and off behind another page, after the button, a closed tab and a crash`, async () => {
        const browser = await Browser.start(kind, { sound });
        try {
          let ada = await Participant.open(world.stack, browser, `talk-${kind}`, "ada", { auto: false, devices: null });
          for (const place of ["the lobby", "the call"]) {
            await isOn();
            await ada.page.open("about:blank");
            await isOff(`after ${place} was left for another page`);
            await ada.page.evaluate(() => void history.back());
            // After a visit to another site the call is over, and its page loads again.
            await isOn();
            // With the keyboard: the note about the missing camera appears and disappears, which moves the button.
            await until("the lobby is shown", () =>
              ada.page.evaluate(() => {
                document.forms[0]?.requestSubmit();
                return document.forms.length > 0;
              }),
            );
            await ada.isInCall();
          }
          await ada.press("leave");
          await isOff("after the button");
          await ada.close();

          ada = await talking(browser, `talk-${kind}`);
          await ada.close();
          await isOff("after the tab was closed");

          if (kind === "chromium") {
            ada = await talking(browser, `talk-${kind}`);
            await ada.page.crash();
            await isOff("after the page crashed");
            await ada.close();
          }
          await talking(browser, `talk-${kind}`);
        } finally {
          await browser.stop();
        }
        await isOff("after the browser was killed");
      });
    }
  });
}
