// One call of three people from beginning to end: everybody in the room is seen and heard, and nobody else.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";

/**
 * `RELOAD_WINDOW_MS` after the page is closed, plus the time until the others know. A socket lost without a close frame
 * is kept longer.
 */
const GONE_MS = 10_000;
/** A reload takes the page, a join, and a key frame for everybody. */
const BACK_MS = 15_000;
/** The time of nine frames. */
const DARK_MS = 600;
/** Far above the usual delay (about 100 ms), far below the effect of wrong timestamps. */
const DELAY_MS_MAX = 800;

export function callScenarios(world) {
  describe("a call of three", () => {
    const room = "call";
    let ada, grace, alan, lin;

    // Holds S0-TEST-03, S1-ROOM-05.
    test("Chromium and Firefox see and hear each other", async () => {
      const { stack, chromium, firefox } = world;
      // The first one joins through the lobby, as people do.
      ada = await Participant.open(stack, chromium, room, "ada", { auto: false });
      await ada.page.click('::-p-aria([name="Join"][role="button"])');
      await ada.isInCall();
      [grace, alan] = await Promise.all([
        Participant.join(stack, firefox, room, "grace"),
        Participant.join(stack, chromium, room, "alan"),
      ]);
      const all = [ada, grace, alan];
      await everybodySeesAndHears(all);
      const [shown] = await ada.sees([alan]);
      assert.ok(shown.ageMs < DELAY_MS_MAX, `${shown.ageMs} ms from Chromium's camera to Chromium's screen`);
      for (const person of all) {
        await decodes(person);
        assert.match((await ada.tile(person.id)).label, new RegExp(`^${person.name}`));
        assert.deepEqual(person.page.complaints, [], `${person.id}'s page complains`);
      }
    });

    test("all of it encrypted by the profiles that we measured", async () => {
      for (const person of [ada, grace, alan]) {
        const [transport] = await person.page.evaluate(() => window.senses.entries("transport"));
        assert.equal(transport.dtlsState, "connected");
        assert.match(transport.srtpCipher, /^(SRTP_)?AEAD_AES_(128|256)_GCM$/, `${person.id} (${person.page.browser})`);
      }
    });

    test("a late joiner sees and hears everybody", async () => {
      lin = await Participant.join(world.stack, world.firefox, room, "lin");
      await everybodySeesAndHears([ada, grace, alan, lin]);
    });

    // Holds S-A7-07.
    test("all transports of a thread share its one UDP port", async () => {
      const ports = await Promise.all([ada, grace, alan, lin].map(portsOf));
      assert.equal(new Set(ports.flat()).size, 1, `ports ${JSON.stringify(ports)}`);
    });

    // Holds S0-CLI-05.
    test("mute: the sound stops and everybody sees why", async () => {
      for (const [person, others] of [[ada, [grace, alan]], [grace, [ada, alan]]]) {
        await person.press("microphone");
        await Promise.all(others.map((other) => other.seesTile(person.id, "is muted", isMuted)));
        const heard = (other) => [ada, grace, alan, lin].filter(({ id }) => id !== other.id && id !== person.id);
        await Promise.all(others.map((other) => other.hears(heard(other))));
        await person.press("microphone");
        await Promise.all(others.map((other) => other.seesTile(person.id, "is not muted", (tile) => !isMuted(tile))));
      }
      await Promise.all([ada, grace, alan].map((person) => person.hears([ada, grace, alan, lin])));
    });

    // Holds S0-CLI-05.
    test("a camera that is off is not captured, sends nothing, and comes back", async () => {
      for (const [person, others] of [[grace, [ada, alan]], [alan, [ada, grace]]]) {
        await person.press("camera");
        await Promise.all(others.map((other) => other.seesTile(person.id, "has no picture", (tile) => tile?.hasVideo === false)));
        await sendsNoPictures(person);
        await person.press("camera");
        await Promise.all(others.map((other) => other.sees([person])));
      }
    });

    test("a participant who leaves is gone for everybody, and sees that they left", async () => {
      await lin.press("leave");
      await lin.reads(/You left the room/);
      await Promise.all([ada, grace, alan].map((person) => person.seesTile("lin", "is gone", (tile) => tile === null)));
      await Promise.all([ada, grace, alan].map((person) => person.hears([ada, grace, alan])));
      await lin.close();
    });

    test("a reload is the same participant, seen once, back within seconds", async () => {
      for (const [person, others] of [[alan, [ada, grace]], [grace, [ada, alan]]]) {
        const started = Date.now();
        await person.page.reload();
        await person.sees(others, BACK_MS);
        await Promise.all(others.map((other) => other.sees([person], BACK_MS)));
        // `tile` fails if a participant has two tiles.
        await Promise.all(others.map((other) => other.tile(person.id)));
        await everybodySeesAndHears([ada, grace, alan]);
        assert.ok(Date.now() - started < BACK_MS, `${person.id} took ${Date.now() - started} ms to be back`);
      }
    });

    test("a participant who closes the page is gone for everybody, once it was clearly no reload", async () => {
      for (const [person, others] of [[alan, [ada, grace]], [grace, [ada]]]) {
        await person.close();
        await Promise.all(others.map((other) => other.seesTile(person.id, "is gone", (tile) => tile === null, GONE_MS)));
      }
    });

    test("the last participant is told that they are alone", async () => {
      await ada.reads(/You’re the only one here/);
      await ada.press("leave");
      await ada.close();
    });
  });
}

export const isMuted = (tile) => /microphone off/.test(tile?.label) && tile.hasIcon;

/** Checks that everybody's picture and note reach everybody else. */
export async function everybodySeesAndHears(people, timeoutMs) {
  await Promise.all(people.flatMap((person) => [person.sees(people, timeoutMs), person.hears(people, timeoutMs)]));
}

/** Waits until no frame has been sent for a while; the last ones may still be in the encoder. */
async function sendsNoPictures(person) {
  let [sent, since] = [-1, Date.now()];
  await until(`${person.id} sends no pictures`, async () => {
    const { framesSent } = await person.media();
    if (framesSent !== sent) [sent, since] = [framesSent, Date.now()];
    return Date.now() - since > DARK_MS;
  });
}

async function decodes(person) {
  const before = await person.media();
  await until(`${person.id} decodes twenty more frames`, async () => (await person.media()).framesDecoded > before.framesDecoded + 20);
}

/** The media node's UDP ports that a page uses or was given. */
async function portsOf(person) {
  const entries = await person.page.evaluate(() => window.senses.entries("remote-candidate", "candidate-pair"));
  const remote = entries.filter(({ type, port }) => type === "remote-candidate" && port !== undefined);
  assert.ok(entries.some(({ type, nominated }) => type === "candidate-pair" && nominated), `${person.id} has a nominated pair`);
  assert.notEqual(remote.length, 0, `${person.id} knows a candidate`);
  return remote.map(({ port }) => port);
}
