// Timeouts and alarms. These tests wait for as long as `limits.rs` says, in parallel.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Client, OFFER_ICE_RESTART, TRACKS } from "../support/client.mjs";
import { MediaNode } from "../support/node.mjs";
import { withStoredEdge } from "../support/stored.mjs";

const FIRST_FRAME_TIMEOUT_MS = 10_000;
const NODE_DIAL_TIMEOUT_MS = 2_000;
const NODE_LOST_TIMEOUT_MS = 10_000;
const NODE_LOST_SPREAD_MS = 2_000;
const HEARTBEAT_TIMEOUT_MS = 15_000;
const RESUME_WINDOW_MS = 30_000;
const RELOAD_WINDOW_MS = 5_000;
const EMPTY_ROOM_LIFETIME_MS = 60_000;
const PING_INTERVAL_MS = 10_000;
const CLIENT_SILENCE_MS = 40_000;
/** A browser's close code when a page is closed (RFC 6455 §7.4.1). */
const GOING_AWAY = 1001;
const PAGE_HIDDEN = 4002;
/** Alarms are not exact, and a machine may be busy. */
const LATE_MS = 10_000;
/** Much longer than the longest of these tests. */
const HANGS_MS = 150_000;
/** The edge's clock stands still during an event, so it may start slightly before ours. */
const EARLY_MS = 100;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs with a separate Worker, as all of these tests wait at the same time. */
function alarm(name, body) {
  test(name, { timeout: HANGS_MS }, () => withStoredEdge({}, body));
}

/** Checks that `promise` settles `ms` after `began`. */
async function due(ms, began, promise) {
  const value = await promise;
  const took = performance.now() - began;
  assert.ok(took >= ms - EARLY_MS && took <= ms + LATE_MS, `after ${Math.round(took)} ms instead of ${ms}`);
  return value;
}

describe("alarms", { concurrency: true }, () => {
  // Holds S0-SIG-11, S2-SM-02, S3-SM-02, S4-SM-03, S4-TEST-07.
  alarm("a client that does not come back has left when the resume window is over", async (edge) => {
    await MediaNode.start(edge);
    const ada = await Client.join(edge, "gone", "ada");
    const bob = await Client.join(edge, "gone", "bob");
    const began = performance.now();
    bob.terminate();
    await ada.next((frame) => frame.participant?.id === "bob" && frame.participant.connection === "reconnecting");
    await edge.hibernate("gone");
    const left = await due(RESUME_WINDOW_MS, began, ada.next("participant_left", RESUME_WINDOW_MS + LATE_MS));
    assert.deepEqual(left, { type: "participant_left", participant: "bob", reason: "timed_out" });
    const late = await Client.connect(edge, "gone", "bob");
    assert.equal((await late.resume(bob.session)).code, "session_expired");
  });

  // Nothing but the platform's own record of its answers (`getWebSocketAutoResponseTimestamp`) tells the two apart.
  alarm("without media, a client that sends no ping is gone after the resume window, and one that does stays", async (edge) => {
    await MediaNode.start(edge);
    const room = "silent";
    const ada = await Client.join(edge, room, "ada");
    const grace = await Client.join(edge, room, "grace", { over: "events" });
    const pings = setInterval(() => [ada, grace].forEach((client) => client.send("ping")), PING_INTERVAL_MS);
    try {
      const bob = await Client.join(edge, room, "bob");
      const began = performance.now();
      await sleep(PING_INTERVAL_MS * 1.5);
      await edge.hibernate(room);
      const { code } = await due(CLIENT_SILENCE_MS, began, bob.ended(CLIENT_SILENCE_MS + LATE_MS));
      assert.equal(code, 1000);
      const left = ada.next("participant_left", RESUME_WINDOW_MS + LATE_MS);
      assert.deepEqual(await due(CLIENT_SILENCE_MS + RESUME_WINDOW_MS, began, left), { type: "participant_left", participant: "bob", reason: "timed_out" });
      for (const client of [ada, grace]) {
        assert.equal(client.closed, null, client.participant);
        assert.equal((await client.request({ type: "raise_hand", raised: true })).type, "done");
      }
      const pongs = ada.frames.filter((frame) => frame === "pong").length;
      assert.ok(pongs >= Math.floor(CLIENT_SILENCE_MS / PING_INTERVAL_MS), `${pongs} pings were answered`);
    } finally {
      clearInterval(pings);
    }
  });

  for (const [what, code] of [["is closed", GOING_AWAY], ["is put aside by the browser", PAGE_HIDDEN]]) {
    alarm(`a client whose page ${what} has left when the time for a reload is over`, async (edge) => {
      await MediaNode.start(edge);
      const room = `closed-${code}`;
      const ada = await Client.join(edge, room, "ada");
      const bob = await Client.join(edge, room, "bob");
      const began = performance.now();
      bob.close(code);
      await ada.next((frame) => frame.participant?.id === "bob" && frame.participant.connection === "reconnecting");
      await edge.hibernate(room);
      const left = await due(RELOAD_WINDOW_MS, began, ada.next("participant_left", RELOAD_WINDOW_MS + LATE_MS));
      assert.deepEqual(left, { type: "participant_left", participant: "bob", reason: "left" });
    });
  }

  // Holds S0-SIG-09, S3-SM-02, S3-DEP-08.
  alarm("a socket that does not join is closed", async (edge) => {
    const began = performance.now();
    const idle = await Client.connect(edge, "idle", "ada");
    // For workerd's sake: it keeps a connection on which nothing was ever sent, although it sent the close frame.
    idle.send("nonsense");
    await idle.next("error");
    await edge.hibernate("idle");
    const { code } = await due(FIRST_FRAME_TIMEOUT_MS, began, idle.ended(FIRST_FRAME_TIMEOUT_MS + LATE_MS));
    assert.equal(code, 1008);
    assert.deepEqual(idle.frames.at(-1), { type: "refused", code: "timeout" });
  });

  alarm("a node that does not dial loses the room to another", async (edge) => {
    const mute = await MediaNode.start(edge, { id: "mute", dials: false });
    const began = performance.now();
    const joining = Client.join(edge, "undialled", "ada");
    const first = await mute.assigned();
    const able = await MediaNode.start(edge, { id: "able", port: 7001 });
    const second = await due(NODE_DIAL_TIMEOUT_MS, began, able.assigned(undefined, NODE_DIAL_TIMEOUT_MS + LATE_MS));
    assert.equal(first.room, "undialled");
    assert.ok(second.epoch > first.epoch);
    await able.serving("undialled");
    const ada = await joining;
    assert.equal(ada.joined.type, "joined");
    // The ticket of the first assignment is no longer accepted.
    const late = await mute.dial(first);
    assert.deepEqual(await late.next("refused"), { type: "refused", code: "stale_epoch" });
    assert.equal((await late.ended()).code, 1008);
  });

  alarm("a node whose sockets are gone for good loses the room, and clients are told to move", async (edge) => {
    const dying = await MediaNode.start(edge, { id: "dying" });
    const ada = await Client.join(edge, "moves", "ada");
    (await dying.serving("moves")).connected(ada.session.session);
    await ada.settle();
    const able = await MediaNode.start(edge, { id: "able", port: 7001 });
    const began = performance.now();
    dying.die();
    await edge.hibernate("moves");
    const earliest = NODE_LOST_TIMEOUT_MS - NODE_LOST_SPREAD_MS;
    const { epoch } = await due(earliest, began, able.assigned(undefined, NODE_LOST_TIMEOUT_MS + LATE_MS));
    assert.ok(epoch > dying.assignments[0].epoch);
    await ada.next("transport_dead");
    const link = await able.serving("moves");
    const negotiated = await ada.request({ type: "negotiate", offer: OFFER_ICE_RESTART, tracks: TRACKS, reason: "transport_dead" });
    assert.equal(negotiated.type, "negotiated", JSON.stringify(negotiated));
    assert.match(negotiated.answer, /a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 7001 typ host/);
    await link.settle();
    assert.ok(link.sessions.has(negotiated.session));
  });

  alarm("a node that is silent for too long is let go, and gets rooms again when it registers", async (edge) => {
    const began = performance.now();
    const silent = await MediaNode.start(edge, { beats: false });
    await Client.join(edge, "before", "ada");
    await edge.hibernateFleet("local");
    await due(HEARTBEAT_TIMEOUT_MS, began, silent.socket.ended(HEARTBEAT_TIMEOUT_MS + LATE_MS));
    const ada = await Client.connect(edge, "after", "ada");
    assert.equal((await ada.join()).code, "no_media_node");
    await MediaNode.start(edge);
    assert.equal((await ada.join()).type, "joined");
  });

  alarm("a node that is back in time keeps the room", async (edge) => {
    const node = await MediaNode.start(edge);
    const ada = await Client.join(edge, "blink", "ada");
    const link = await node.serving("blink");
    link.connected(ada.session.session);
    await ada.settle();
    link.terminate();
    await sleep(NODE_LOST_TIMEOUT_MS / 2);
    const assignment = node.assignments.at(-1);
    const given = node.assignments.length;
    const again = await node.dial(assignment, [ada.session.session]);
    await again.next("welcome");
    await sleep(NODE_LOST_TIMEOUT_MS);
    assert.equal(node.assignments.length, given);
    assert.ok(!ada.frames.some(({ type }) => type === "transport_dead"));
  });

  // Holds S4-SM-03.
  alarm("an empty room is forgotten, and gives its storage back", async (edge, folder) => {
    await MediaNode.start(edge);
    const ada = await Client.join(edge, "empty", "ada");
    assert.ok(stored(folder).includes("CREATE TABLE core"));
    await ada.request({ type: "leave" });
    await ada.ended();
    await sleep(EMPTY_ROOM_LIFETIME_MS + LATE_MS / 2);
    assert.ok(!stored(folder).includes("CREATE TABLE core"));
    const again = await Client.connect(edge, "empty", "ada");
    assert.equal((await again.resume(ada.session)).code, "session_expired");
  });
});

/** The stored data of all Room objects. */
function stored(folder) {
  const room = readdirSync(folder, { recursive: true }).filter((name) => name.includes("RoomObject") && /\.sqlite(-wal)?$/.test(name));
  return Buffer.concat(room.map((name) => readFileSync(join(folder, name)))).toString("latin1");
}
