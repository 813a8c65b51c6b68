// Four people in a room of the meet app, in one Chromium: how long their pictures stand still.
import { Browser } from "./browsers.mjs";
import { Participant, PEOPLE } from "./participant.mjs";

const SEEN_MS = 60_000;

export class People {
  #browser;
  #people = [];

  static async join(stack, room) {
    const people = new People();
    people.#browser = await Browser.start("chromium");
    const join = (id) => Participant.join(stack, people.#browser, room, id);
    people.#people = await Promise.all(Object.keys(PEOPLE).map(join));
    await people.see();
    return people;
  }

  /** Waits until everybody sees everybody else move. */
  async see() {
    await Promise.all(this.#people.map((person) => person.sees(this.#people, SEEN_MS)));
  }

  /** Starts watching for gaps. */
  async watch() {
    await Promise.all(this.#people.map(({ page, identity }) => page.evaluate((own) => window.senses.watch(own), identity)));
  }

  /** The longest gaps in milliseconds since `watch`, of each picture on each page. */
  async gaps() {
    const gaps = await Promise.all(this.#people.map(({ page }) => page.evaluate(() => window.senses.gaps())));
    return gaps.flat().filter(({ onScreen }) => onScreen).map(({ gapMs }) => gapMs);
  }

  async leave() {
    await Promise.all(this.#people.map((person) => person.press("leave")));
  }

  /** Ends the browser. */
  async stop() {
    await this.#browser.stop();
  }
}
