// Participants whose firewall lets out TCP only: media goes through a TURN node, over TCP or over TLS.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { HOST } from "../networks.mjs";
import { Participant } from "../participant.mjs";
import { freePort } from "../port.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears } from "./call.mjs";
import { selectedCandidate } from "./relay.mjs";

const PEOPLE = ["ada", "grace"];
/** Direct checks and TURN over UDP come to nothing first. */
const CONNECT_MS = 30_000;

export function firewallScenarios(world) {
  describe("a firewall that lets out TCP only", () => {
    before(() => world.travellers.forEach(({ network }) => network.blockUdp()));
    after(() => world.travellers.forEach(({ network }) => network.allowUdp()));

    test("without a TURN node nobody gets through", async () => {
      const [ada] = await join("no-way-out");
      await assert.rejects(() => until("ada decodes", async () => (await ada.media()).framesDecoded > 0, 8_000));
      await ada.close();
    });

    for (const protocol of ["tcp", "tls"]) {
      // Holds S4-MED-02.
      test(`Chromium and Firefox see and hear each other over ${protocol}`, async (t) => {
        const { stack, certificate } = world;
        const port = await freePort();
        const tls = { TURN_TLS_CERTIFICATE: certificate.chain, TURN_TLS_KEY: certificate.key, TURN_URLS: `turns:${certificate.name}:${port}?transport=tcp` };
        const settings = { TURN_LISTEN: `${HOST}:${port}`, TURN_PEER_ALLOW: HOST, ...(protocol === "tls" ? tls : {}) };
        const node = await stack.startTurnNode(`turn-${protocol}`, settings);
        const people = await join(`firewall-${protocol}`, PEOPLE);
        await everybodySeesAndHears(people, CONNECT_MS);
        for (const person of people) {
          const selected = await selectedCandidate(person);
          t.diagnostic(`${person.id} (${person.page.browser}): ${selected.type} over ${selected.protocol}`);
          assert.deepEqual(selected, { type: "relay", protocol }, person.page.browser);
          const before = await person.media();
          await until(`${person.id} decodes twenty more frames`, async () => (await person.media()).framesDecoded > before.framesDecoded + 20);
        }
        for (const person of people) await person.press("leave");
        await Promise.all(people.map((person) => person.close()));
        await stack.killNode(node);
      });
    }

    /** Travellers that join, in the order of their names. */
    function join(room, names = PEOPLE.slice(0, 1)) {
      const { stack, travellers } = world;
      return Promise.all(names.map((name, index) => Participant.open(stack, travellers[index].browser, room, name)));
    }
  });
}
