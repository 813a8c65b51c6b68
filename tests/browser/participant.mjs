// A person in a call: the meet app in a browser, with a unique face and voice.
import { join } from "node:path";
import { fakeDevices } from "./page/devices.mjs";
import { senses } from "./page/senses.mjs";
import { until } from "./until.mjs";

/** Small enough for a call of four on two cores. */
const PICTURE = { width: 320, height: 180, framesPerSecond: 15 };
/**
 * An older picture may predate the last action of a test. The bound is no lower because Firefox's audio device without
 * a sound card runs slow on a busy machine, and pictures wait for their sound.
 */
const PICTURE_AGE_MS_MAX = 5_000;
/** A picture that has advanced this many frames is not frozen. */
const FRAMES_MOVED = 5;
/** Notes are at least this many hertz apart; a bin of the spectrum is 12 wide. */
const NOTE_TOLERANCE_HZ = 25;

/** The people of the tests; their pictures contain `identity`. */
export const PEOPLE = {
  ada: { name: "Ada", identity: 1, toneHz: 440 },
  grace: { name: "Grace", identity: 2, toneHz: 660 },
  alan: { name: "Alan", identity: 3, toneHz: 880 },
  lin: { name: "Lin", identity: 4, toneHz: 1100 },
};

export class Participant {
  /**
   * Opens the room's page. With `auto` (the default) it joins by itself, otherwise it stays in the lobby.
   *
   * @param {import("./stack.mjs").Stack} stack
   * @param {import("./browsers.mjs").Browser} browser
   * @param {string} room
   * @param {keyof typeof PEOPLE} id
   * @param {{ auto?: boolean, claims?: object, token?: string, guest?: boolean, relay?: boolean, query?: object, devices?: object | null, first?: unknown[][] }} [options]
   *   `guest` comes without a token, `relay` uses TURN nodes alone, `devices` goes to `fakeDevices` (`null`: the browser's own), `first` are further scripts that run before the app
   */
  static async open(stack, browser, room, id, options = {}) {
    const { auto = true, claims = {}, token, guest = false, relay = false, devices = {}, first = [] } = options;
    const participant = new Participant();
    const { name, identity, toneHz } = PEOPLE[id];
    Object.assign(participant, { id, name, identity, toneHz, logs: stack.logs });
    const equipped = devices ? [[fakeDevices, { identity, toneHz, ...PICTURE, ...devices }]] : [];
    participant.page = await browser.page(...equipped, [senses, PICTURE], ...first);
    const query = new URLSearchParams({ name, ...options.query });
    if (auto) query.set("auto", "1");
    if (relay) query.set("relay", "1");
    const fragment = guest ? "" : `#token=${token ?? stack.token(room, id, { name, ...claims })}`;
    await participant.page.open(`${stack.url}/r/${room}?${query}${fragment}`);
    return participant;
  }

  /** Opens the page and waits until the call is shown. */
  static async join(...args) {
    const participant = await Participant.open(...args);
    await participant.isInCall();
    return participant;
  }

  isInCall(timeoutMs) {
    return this.#until("is in the call", () => this.tile(this.id), timeoutMs);
  }

  /** Waits until each of these people's pictures is in the right tile and moves; returns the pictures. */
  async sees(people, timeoutMs) {
    const others = people.filter(({ id }) => id !== this.id);
    const find = async () => {
      const pictures = await this.page.evaluate(() => window.senses.pictures());
      return others.map(({ id, identity }) => pictures.find((shown) => shown.participant === id && shown.identity === identity));
    };
    const fresh = (shown) => shown && Math.abs(shown.ageMs) < PICTURE_AGE_MS_MAX;
    const names = others.map(({ id }) => id).join(", ");
    const now = async () => {
      const found = await find();
      if (!found.every(fresh)) throw new Error(`sees ${JSON.stringify(found)}`);
      return found;
    };
    const first = await this.#until(`sees ${names}`, now, timeoutMs);
    const moved = (shown, index) => ((shown.frame - first[index].frame) & 0xffff) >= FRAMES_MOVED;
    return this.#until(`sees ${names} move`, async () => {
      const found = await now();
      return found.every(moved) && found;
    }, timeoutMs);
  }

  /** Waits until exactly these people's notes are heard. */
  hears(people, timeoutMs) {
    const wanted = people.filter(({ id }) => id !== this.id).map(({ toneHz }) => toneHz).sort((a, b) => a - b);
    return this.#until(`hears ${wanted.join(", ") || "no"} Hz`, async () => {
      const notes = (await this.page.evaluate(() => window.senses.notes())).map(({ hz }) => hz).sort((a, b) => a - b);
      if (notes.length !== wanted.length) throw new Error(`heard ${notes.map(Math.round).join(", ")}`);
      return notes.every((hz, index) => Math.abs(hz - wanted[index]) < NOTE_TOLERANCE_HZ);
    }, timeoutMs);
  }

  /** A participant's tile, or `null`; fails if there are several. */
  async tile(id) {
    const tiles = (await this.page.evaluate(() => window.senses.tiles())).filter(({ participant }) => participant === id);
    if (tiles.length > 1) throw new Error(`${this.id} sees ${id} ${tiles.length} times`);
    return tiles[0] ?? null;
  }

  /** Waits until `test` accepts a participant's tile, which is `null` if there is none. */
  seesTile(id, what, test, timeoutMs) {
    return this.#until(`sees that ${id} ${what}`, async () => test(await this.tile(id)), timeoutMs);
  }

  /** Waits until the page shows this text anywhere. */
  reads(text, timeoutMs) {
    return this.#until(`reads ${text}`, async () => {
      const all = await this.page.evaluate(() => document.body.innerText);
      if (!text.test(all)) throw new Error(`read ${JSON.stringify(all.slice(0, 200))}`);
      return true;
    }, timeoutMs);
  }

  media() {
    return this.page.evaluate(() => window.senses.media());
  }

  /** Presses a button of the bar: `microphone`, `camera`, `people`, `leave`. */
  press(button) {
    return this.page.click(`#${button}`);
  }

  close() {
    return this.page.close();
  }

  /** Waits, and on a timeout saves a screenshot with the logs. */
  async #until(what, probe, timeoutMs) {
    try {
      return await until(`${this.id} (${this.page.browser}) ${what}`, probe, timeoutMs);
    } catch (error) {
      const path = join(this.logs, `${this.id}.png`);
      await this.page.screenshot(path);
      throw new Error(`${error.message}; see ${path}`, { cause: error });
    }
  }
}
