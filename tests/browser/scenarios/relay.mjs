// A call whose media passes through TURN nodes alone, and the death of one of them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears } from "./call.mjs";

/**
 * Detection takes 1.5 s, followed by an offer, an answer, an allocation, ICE and a key frame; twice if the first
 * attempt fails.
 */
const MOVED_MS = 30_000;

/** After this long, a room asks for the TURN nodes before it answers an ICE restart (`TURN_NODES_FRESH_MS`). */
const NEWS_MS = 5_500;

export function relayScenarios(world) {
  describe("through TURN nodes alone", () => {
    const room = "relay";
    let people = [];

    // Holds S3-MED-05.
    test("Chromium and Firefox see and hear each other", async (t) => {
      const { stack, chromium, firefox } = world;
      await Promise.all([stack.startTurnNode("turn-1"), stack.startTurnNode("turn-2")]);
      people = await Promise.all([
        Participant.join(stack, chromium, room, "ada", { relay: true }),
        Participant.join(stack, firefox, room, "grace", { relay: true }),
      ]);
      await everybodySeesAndHears(people);
      for (const person of people) {
        const { type, protocol } = await selectedCandidate(person);
        assert.equal(type, "relay", `${person.id} (${person.page.browser})`);
        t.diagnostic(`${person.id} (${person.page.browser}): relayed over ${protocol}`);
        const before = await person.media();
        await until(`${person.id} decodes twenty more frames`, async () => (await person.media()).framesDecoded > before.framesDecoded + 20);
      }
      assert.ok((await Promise.all(stack.turnNodes.map(relayed))).some((count) => count > 100), "the TURN nodes relay");
    });

    // Holds S0-MED-07.
    test("participants who reach the media node directly do so, although they are offered TURN nodes", async () => {
      const { stack, chromium, firefox } = world;
      const direct = await Promise.all([Participant.join(stack, chromium, room, "alan"), Participant.join(stack, firefox, room, "lin")]);
      for (const person of direct) {
        assert.match(await credential(person), /:sfu:relay:/, "it could use a TURN node");
        assert.equal((await selectedCandidate(person)).type, "host", `${person.id} (${person.page.browser})`);
        await person.press("leave");
        await person.close();
      }
    });

    test("a TURN node is killed: the call goes on through the other one", async (t) => {
      const { stack } = world;
      const counts = await Promise.all(stack.turnNodes.map(allocations));
      const busiest = stack.turnNodes[counts.indexOf(Math.max(...counts))];
      await goesOn(t, () => stack.killNode(busiest));
    });

    test("every TURN node is replaced: clients restart ICE with the new one and a fresh credential", async (t) => {
      const { stack } = world;
      const credentials = await Promise.all(people.map(credential));
      const before = [...stack.turnNodes];
      const fresh = await stack.startTurnNode("turn-3");
      await sleep(NEWS_MS);
      await goesOn(t, () => Promise.all(before.map((node) => stack.killNode(node))));
      assert.ok((await allocations(fresh)) >= people.length, "everybody is relayed by the new node");
      const now = await Promise.all(people.map(credential));
      now.forEach((username, index) => assert.notEqual(username, credentials[index]));
      for (const person of people) await person.press("leave");
      await Promise.all(people.map((person) => person.close()));
      for (const node of [...stack.turnNodes]) await stack.killNode(node);
    });

    async function goesOn(t, kill) {
      const before = await Promise.all(people.map(async (person) => (await person.media()).framesDecoded));
      const started = Date.now();
      await kill();
      for (const [index, person] of people.entries()) {
        // A new connection counts its frames from zero.
        let [last, decoded] = [before[index], 0];
        const decodesOn = async () => {
          const { framesDecoded } = await person.media();
          decoded += framesDecoded < last ? framesDecoded : framesDecoded - last;
          last = framesDecoded;
          return decoded > 40;
        };
        await until(`${person.id} decodes on`, decodesOn, MOVED_MS);
      }
      await everybodySeesAndHears(people, MOVED_MS);
      t.diagnostic(`everybody sees and hears after ${Date.now() - started} ms`);
      for (const person of people) assert.equal((await selectedCandidate(person)).type, "relay");
    }
  });
}

/** The local end of the pair that carries the media. */
export async function selectedCandidate(person) {
  const { type, protocol } = await selectedPair(person);
  return { type, protocol };
}

/** Both ends of the pair that carries the media. */
export async function selectedPair(person) {
  const entries = (type) => person.page.evaluate((wanted) => window.senses.entries(wanted), type);
  return until(`${person.id} has a selected pair`, async () => {
    const [transports, pairs, locals, remotes] = await Promise.all(["transport", "candidate-pair", "local-candidate", "remote-candidate"].map(entries));
    const selected = transports.map(({ selectedCandidatePairId }) => selectedCandidatePairId);
    const pair = pairs.find(({ id, selected: isSelected }) => selected.includes(id) || isSelected);
    const local = locals.find(({ id }) => id === pair?.localCandidateId);
    const remote = remotes.find(({ id }) => id === pair?.remoteCandidateId);
    return local && remote && {
      type: local.candidateType,
      protocol: local.relayProtocol ?? local.protocol,
      remote: { type: remote.candidateType, protocol: remote.protocol, address: remote.address },
    };
  });
}

/** The newest connection's user name for TURN nodes. */
function credential(person) {
  return person.page.evaluate(() => window.senses.turnUsername());
}

const relayed = async (node) => sum(await node.metrics(), "turn_udp_send_calls_total");
const allocations = async (node) => sum(await node.metrics(), "turn_allocations");

function sum(metrics, name) {
  return Object.entries(metrics).reduce((total, [series, value]) => total + (series.startsWith(`${name}{`) ? value : 0), 0);
}
