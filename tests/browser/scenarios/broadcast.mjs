// Connections between participants: two who add tracks at the same time, and a call of two beside the node.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeDevices } from "../page/devices.mjs";
import { Participant } from "../participant.mjs";
import { until } from "../until.mjs";
import { everybodySeesAndHears } from "./call.mjs";

const PICTURE = { width: 320, height: 180, framesPerSecond: 15 };
const FRAMES = 20;
/** A switch is announced, connected and reported within seconds; two busy browsers need longer. */
const SWITCH_MS = 30_000;
/** `DIRECT_PAUSE_MS`, and the same. */
const BACK_MS = 10_000 + SWITCH_MS;

export function broadcastScenarios(world) {
  const open = async (browser, role, room, identity) => {
    const page = await world[browser].page([fakeDevices, { identity, toneHz: 440, ...PICTURE }]);
    await page.open(`${world.stack.url}/demo/broadcast?room=${room}&role=${role}`);
    await until(`${role} in ${browser} has joined`, () => page.evaluate(() => window.peers !== undefined));
    return page;
  };

  describe("from participant to participant", () => {
    for (const policy of ["all", "relay"]) {
      // Holds S3-SIG-04, S-A7-10, S3-MED-01.
      test(`Chromium and Firefox add tracks at the same time, and both decode all of them (${policy === "all" ? "direct" : "relayed"})`, async () => {
        if (policy === "relay" && world.stack.turnNodes.length === 0) await world.stack.startTurnNode("turn-peers");
        const room = `glare-${policy}`;
        await world.stack.api("POST", "rooms", { name: room, peer_to_peer_max: 2 });
        const pages = await Promise.all([open("chromium", "broadcaster", room, 1), open("firefox", "broadcaster", room, 2)]);
        const ids = await Promise.all(pages.map((page) => page.evaluate(() => window.demoRoom.self.id)));
        await until("they know each other", async () => (await Promise.all(pages.map((page) => page.evaluate(() => window.demoRoom.participants.length)))).every((count) => count === 1));
        const connect = (page, index) =>
          page.evaluate(async (to, polite, policy) => {
            const { peers } = window;
            window.link = await peers.connect(to, { link: 7, polite, iceTransportPolicy: policy });
            window.received = new Set();
            window.link.on("track", ({ track }) => {
              window.received.add(track.id);
              const video = document.createElement("video");
              Object.assign(video, { srcObject: new MediaStream([track]), autoplay: true, muted: true });
              document.body.append(video);
            });
            window.link.startQualityMonitoring(1_000);
          }, ids[1 - index], index === 1, policy);
        await Promise.all(pages.map(connect));
        const add = (page) =>
          page.evaluate(async () => {
            const stream = await navigator.mediaDevices.getUserMedia({ video: true });
            for (const track of stream.getTracks()) window.link.connection.addTrack(track, stream);
          });
        // Twice, so that the second offers cross on a connection that is up.
        for (const count of [1, 2]) {
          await Promise.all(pages.map(add));
          await until(`both have ${count} tracks`, async () => (await Promise.all(pages.map((page) => page.evaluate(() => window.received.size)))).every((size) => size === count));
          const decoded = (page) => page.evaluate(async () => (await window.link.getDetailedStats()).framesDecoded);
          const before = await Promise.all(pages.map(decoded));
          await until("both decode more", async () => (await Promise.all(pages.map(decoded))).every((frames, index) => frames > before[index] + FRAMES));
        }
        for (const page of pages) {
          const stats = await until("rates in both directions", async () => {
            const now = await page.evaluate(() => window.link.getDetailedStats());
            return now.sentBps > 0 && now.receivedBps > 0 && now.roundTripMs !== null ? now : null;
          });
          assert.equal(stats.local === "relay" || stats.remote === "relay", policy === "relay", JSON.stringify(stats));
        }
        await Promise.all(pages.map((page) => page.close()));
      });
    }
  });

  describe("a call of two whose room lets them send directly", () => {
    const room = "direct";
    let ada, grace;

    const isDirect = (person) => person.page.evaluate(() => window.rotunda.participants.some(({ tracks }) => {
      const own = window.rotunda.peerConnection.getReceivers().map(({ track }) => track.id);
      return tracks.some(({ source, media }) => source === "camera" && media !== null && !own.includes(media.id));
    }));
    /** Watches the longest time for which the picture of another stands still. */
    const watch = (person) => person.page.evaluate(() => {
      window.stills = { longestMs: 0, at: performance.now(), frame: null };
      window.stillTimer = setInterval(() => {
        const { stills } = window;
        const shown = window.senses.pictures().find(({ participant }) => participant !== window.rotunda.self.id);
        if (shown && shown.frame !== stills.frame) Object.assign(stills, { frame: shown.frame, at: performance.now() });
        else stills.longestMs = Math.max(stills.longestMs, performance.now() - stills.at);
      }, 15);
    });
    const longestMs = (person) => person.page.evaluate(() => {
      clearInterval(window.stillTimer);
      return Math.round(window.stills.longestMs);
    });

    /** Packets of media that a participant has sent to the node so far. */
    const sentToNode = (person) => person.page.evaluate(async () => {
      let packets = 0;
      (await window.rotunda.peerConnection.getStats()).forEach((entry) => {
        if (entry.type === "outbound-rtp") packets += entry.packetsSent;
      });
      return packets;
    });

    // Holds S-A7-13.
    test("Chromium and Firefox see each other directly, and send nothing to the node", async () => {
      await world.stack.api("POST", "rooms", { name: room, peer_to_peer_max: 2 });
      [ada, grace] = await Promise.all([
        Participant.join(world.stack, world.chromium, room, "ada"),
        Participant.join(world.stack, world.firefox, room, "grace"),
      ]);
      await until("both show direct media", async () => (await Promise.all([ada, grace].map(isDirect))).every(Boolean), SWITCH_MS);
      for (const person of [ada, grace]) {
        let sent = await sentToNode(person);
        await until(`${person.id} sends nothing to the node for a second`, async () => {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          const before = sent;
          sent = await sentToNode(person);
          return sent === before;
        }, SWITCH_MS);
      }
      await everybodySeesAndHears([ada, grace]);
    });

    // Holds S2-MED-01.
    test("a third moves the call to the node, and it returns when two remain", async (t) => {
      await Promise.all([ada, grace].map(watch));
      const alan = await Participant.join(world.stack, world.chromium, room, "alan");
      await everybodySeesAndHears([ada, grace, alan]);
      for (const person of [ada, grace]) {
        assert.equal(await isDirect(person), false, `${person.id} shows the node's media`);
        t.diagnostic(`${person.id} (${person.page.browser}): a picture stood still for ${await longestMs(person)} ms at most`);
      }
      await alan.press("leave");
      await alan.close();
      await until("both show direct media again", async () => (await Promise.all([ada, grace].map(isDirect))).every(Boolean), BACK_MS);
      await everybodySeesAndHears([ada, grace]);
    });

    test("a recording moves it to the node", async () => {
      await world.stack.api("POST", `rooms/${room}/recordings`, {});
      await until("both show the node's media", async () => !(await Promise.all([ada, grace].map(isDirect))).some(Boolean), SWITCH_MS);
      await everybodySeesAndHears([ada, grace]);
      await Promise.all([ada, grace].map((person) => person.close()));
    });
  });
}
