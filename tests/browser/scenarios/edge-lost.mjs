// A node loses its connections to the edge, and nothing else: the call stays there.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { Line } from "../line.mjs";
import { Participant } from "../participant.mjs";
import { Stack } from "../stack.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears, isMuted } from "./call.mjs";

/** Longer than clients suspect the node, shorter than the edge waits for it. */
const BROKEN_MS = 4_500;
/** The node dials again after a pause. */
const BACK_MS = 15_000;

export function edgeLostScenarios(world) {
  describe("a node loses the edge, and media goes on", () => {
    const room = "edge-lost";
    let stack, line, people;
    before(async () => {
      stack = await Stack.start({ nodes: 0 });
      line = await Line.start(stack.url);
      await stack.startNode("media-1", { MEDIA_EDGE: line.url });
      people = await Promise.all([
        Participant.join(stack, world.chromium, room, "ada"),
        Participant.join(stack, world.firefox, room, "grace"),
      ]);
      await everybodySeesAndHears(people);
      await stack.startNode("media-2");
    });
    after(async () => {
      await Promise.all((people ?? []).map((person) => person.close()));
      line?.stop();
      await stack?.stop();
    });

    const counts = () => Promise.all(people.map(({ page }) => page.evaluate(() => window.senses.connectionCount())));
    const sessions = () => Promise.all(stack.nodes.map(async (node) => (await node.metrics())['media_sessions{shard="0"}']));
    const decoded = async () => (await people[1].media()).framesDecoded;

    async function isLeftAlone() {
      const before = await counts();
      assert.deepEqual(await sessions(), [2, 0]);
      assert.ok(line.break() >= 2, "the region's and the room's");
      await sleep(BROKEN_MS);
      line.mend();
      await until("the node is back", async () => (await stack.nodes[0].metrics()).media_registered === 1, BACK_MS);
      assert.deepEqual([await counts(), await sessions()], [before, [2, 0]], "nobody has moved");
    }

    test("while pictures and sound arrive", async () => {
      await isLeftAlone();
      await everybodySeesAndHears(people);
    });

    test("while a camera is paused, the other one is off, and both microphones are muted", async () => {
      const [ada, grace] = people;
      await Promise.all(people.map((person) => person.press("microphone")));
      await grace.press("camera");
      await grace.seesTile("ada", "is muted", isMuted);
      await ada.page.evaluate(() => window.senses.pauseVideo(true));
      let last = await decoded();
      await until("ada's picture stands still", async () => {
        await sleep(1_000);
        const now = await decoded();
        return now === last || ((last = now), false);
      });
      await isLeftAlone();
      await ada.page.evaluate(() => window.senses.pauseVideo(false));
      await until("ada's picture moves again", async () => (await decoded()) > last + 5);
    });
  });
}
