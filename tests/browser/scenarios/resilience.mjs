// The call survives its servers: the Worker may be killed, a media node may be killed or drained.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears, isMuted } from "./call.mjs";

/**
 * Longest stall on the screen; on a busy machine, a multiple of the stalls before the kill. Lost frames are also
 * counted exactly.
 */
const GAP_MS_MAX = 1_000;
const GAP_FACTOR_MAX = 5;
/** Detection takes 1.5 s, followed by an offer, an answer, ICE, a handshake and a key frame. */
const MOVED_MS = 12_000;
const RESUMED_MS = 20_000;
/** Frames in transit while two pages are queried one after the other. */
const FRAMES_UNDER_WAY = 5;

export function resilienceScenarios(world) {
  describe("a call outlives its servers", () => {
    const room = "resilience";
    let people = [];

    const joinAll = async () => {
      const { stack, chromium, firefox } = world;
      people = await Promise.all([
        Participant.join(stack, chromium, room, "ada"),
        Participant.join(stack, firefox, room, "grace"),
        Participant.join(stack, chromium, room, "alan"),
      ]);
      await everybodySeesAndHears(people);
    };

    // Holds S3-DEP-14.
    test("the Worker is killed and started again: not a frame is lost, and the clients resume", async (t) => {
      await joinAll();
      await watch(people);
      let before = await mediaOf(people);
      await Promise.all(people.map((person, index) => decodesMore(person, before[index], 45)));
      const usual = await gapsOf(people);
      await watch(people);
      before = await mediaOf(people);
      await world.stack.killWorker();
      await Promise.all(people.map((person) => person.reads(/Connection lost/)));
      await Promise.all(people.map((person, index) => decodesMore(person, before[index], 45)));
      await world.stack.startWorker();
      await Promise.all(people.map((person) => doesNotRead(person, /Connection lost/)));
      // State from before its death still holds, and new changes work.
      await people[0].press("microphone");
      for (const other of people.slice(1)) await other.seesTile("ada", "is muted", isMuted);
      await people[0].press("microphone");
      const [after, gaps] = [await mediaOf(people), await gapsOf(people)];
      for (const [index, person] of people.entries()) {
        const limitMs = Math.max(GAP_MS_MAX, GAP_FACTOR_MAX * Math.max(...usual[index].map(({ gapMs }) => gapMs)));
        t.diagnostic(`${person.id} (${person.page.browser}): longest gaps ${words(gaps[index])}, before ${words(usual[index])}`);
        assert.ok(gaps[index].every(({ gapMs, onScreen }) => onScreen && gapMs < limitMs), `${words(gaps[index])} of ${limitMs} ms`);
        assert.equal(after[index].packetsLost, before[index].packetsLost, `${person.id} lost packets`);
        const sent = sum(people.map((_, other) => (other === index ? 0 : after[other].framesSent - before[other].framesSent)));
        const received = after[index].framesReceived - before[index].framesReceived;
        assert.ok(Math.abs(sent - received) <= FRAMES_UNDER_WAY, `${person.id} was sent ${sent} frames and received ${received}`);
        assert.equal(await person.page.evaluate(() => window.senses.connectionCount()), 1, "its transport was left alone");
      }
      await everybodySeesAndHears(people);
    });

    // Holds S3-DEP-09, S3-DEP-14.
    test("a media node is killed: everybody goes on at the other one", async (t) => {
      await moves(t, (node) => world.stack.killNode(node));
    });

    // Holds S3-SM-03, S3-DEP-15.
    test("a media node is drained: everybody goes on at the other one, and it ends by itself", async (t) => {
      let exit;
      const made = await moves(t, (node) => {
        exit = world.stack.drainNode(node);
      });
      // Proves that an ICE restart may lead to another node with another certificate. Firefox does not decode after it.
      people.forEach(({ page }, index) => assert.equal(made[index], page.browser === "chromium" ? 0 : 1, `${page.browser}'s connections`));
      assert.equal(await exit, 0, "the drained node's exit code");
      for (const person of people) await person.press("leave");
      await Promise.all(people.map((person) => person.close()));
    });

    async function moves(t, end) {
      const { stack } = world;
      const serving = await servingNode(stack);
      const other = await stack.startNode(`media-${(world.nodesStarted += 1)}`);
      assert.equal(await sessions(other), 0);
      const connections = await Promise.all(people.map((person) => person.page.evaluate(() => window.senses.connectionCount())));
      await watch(people);
      await end(serving);
      await until("everybody is at the other node", async () => (await sessions(other)) >= people.length, MOVED_MS);
      await everybodySeesAndHears(people, MOVED_MS);
      const [made, gaps] = [[], await gapsOf(people)];
      for (const [index, person] of people.entries()) {
        made[index] = (await person.page.evaluate(() => window.senses.connectionCount())) - connections[index];
        const how = made[index] === 0 ? "ICE restart on the same connection" : `${made[index]} new connection`;
        t.diagnostic(`${person.id} (${person.page.browser}): ${how}; nothing new on the screen for ${words(gaps[index])}`);
      }
      return made;
    }
  });
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

async function watch(people) {
  const watched = await Promise.all(people.map(({ page, identity }) => page.evaluate((own) => window.senses.watch(own), identity)));
  assert.ok(watched.every((count) => count === people.length - 1), `${watched} pictures of ${people.length} people are watched`);
}

const gapsOf = (people) => Promise.all(people.map(({ page }) => page.evaluate(() => window.senses.gaps())));

const words = (gaps) => gaps.map(({ gapMs }) => `${gapMs} ms`).join(", ");

const mediaOf = (people) => Promise.all(people.map((person) => person.media()));

function decodesMore(person, before, frames) {
  return until(`${person.id} decodes ${frames} more frames`, async () => (await person.media()).framesDecoded >= before.framesDecoded + frames);
}

function doesNotRead(person, text) {
  return until(
    `${person.id} no longer reads ${text}`,
    async () => !text.test(await person.page.evaluate(() => document.body.innerText)),
    RESUMED_MS,
  );
}

const sessions = async (node) => (await node.metrics())['media_sessions{shard="0"}'];

async function servingNode(stack) {
  for (const node of stack.nodes) if ((await sessions(node)) > 0) return node;
  throw new Error("no node serves anybody");
}
