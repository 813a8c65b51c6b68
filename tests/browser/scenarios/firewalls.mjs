// Participants whose firewall lets out TCP only: media goes to the media node over TCP, or through a TURN node over TCP
// or TLS.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { HOST } from "../networks.mjs";
import { Participant } from "../participant.mjs";
import { freePort } from "../port.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears } from "./call.mjs";
import { selectedCandidate, selectedPair } from "./relay.mjs";

const PEOPLE = ["ada", "grace"];
/** Direct checks and TURN over UDP fail first. */
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

    test("Chromium and Firefox see and hear each other over TCP to the media node, without a TURN node", async (t) => {
      const { stack } = world;
      const [first] = stack.nodes;
      const node = await stack.startNode("media-tcp", { MEDIA_TCP_LISTEN: `${HOST}:0`, MEDIA_SHARDS: "2" });
      await stack.killNode(first);
      const people = await join("firewall-ice-tcp", PEOPLE);
      await everybodySeesAndHears(people, CONNECT_MS);
      for (const person of people) {
        const { type, protocol, remote } = await selectedPair(person);
        t.diagnostic(`${person.id} (${person.page.browser}): ${type} to ${remote.type} over ${protocol}`);
        assert.equal(protocol, "tcp", person.page.browser);
        assert.deepEqual(remote, { type: "host", protocol: "tcp", address: HOST }, person.page.browser);
        const before = await person.media();
        await until(`${person.id} decodes twenty more frames`, async () => (await person.media()).framesDecoded > before.framesDecoded + 20);
      }
      const metrics = await node.metrics();
      const total = (name) => Object.entries(metrics).reduce((sum, [series, value]) => sum + (series.startsWith(name) ? value : 0), 0);
      assert.ok(total("media_tcp_connections") >= PEOPLE.length);
      for (const person of people) await person.press("leave");
      await Promise.all(people.map((person) => person.close()));
      await stack.startNode(first.name);
      await stack.killNode(node);
    });

    /** Travellers that join, in the order of their names. */
    function join(room, names = PEOPLE.slice(0, 1)) {
      const { stack, travellers } = world;
      return Promise.all(names.map((name, index) => Participant.open(stack, travellers[index].browser, room, name)));
    }
  });
}
