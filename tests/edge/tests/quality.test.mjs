// Nodes' quality measurements reach the Worker's log, a line for each session, and no room.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { joinToken, nodeToken } from "../support/token.mjs";

const [REPORT] = JSON.parse(readFileSync(new URL("../../vectors/control/quality_report.json", import.meta.url), "utf8"));

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

// workerd closes a connection whose body it has not read to the end, and the next request must not use it.
async function post(body, token = nodeToken("n1", "local")) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", connection: "close" };
  const response = await fetch(`${edge.http}/v1/nodes/quality`, { method: "POST", headers, body });
  return [response.status, await response.json()];
}

/** Log lines arrive asynchronously. */
async function linesOf(event) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return edge.records().filter((line) => line.event === event);
}

test("a node's report becomes a line for each session", async () => {
  assert.deepEqual(await post(JSON.stringify(REPORT)), [200, { sessions: 1 }]);
  const [{ request, ...line }, ...others] = await linesOf("quality");
  assert.deepEqual(others, []);
  assert.match(request, /^[0-9a-f]{32}$/);
  assert.deepEqual(line, {
    level: "info",
    event: "quality",
    node: "n1",
    room: "daily",
    session: "s7k2m4p6q8r0",
    participant: "ada",
    interval_ms: "60000",
    grade: "good",
    round_trip_ms: "42",
    estimate_bps: "310000",
    sent_bps: "498000",
    sent_lost_percent: "1.4",
    received_bps: "188000",
    received_lost_percent: "0.0",
    jitter_ms: "6",
    freezes: "1",
    paused: "0",
    nacks: "20",
    plis: "2",
    received_frame_height: "180",
  });
  assert.deepEqual(await linesOf("node_connected"), [], "no room was woken");
});

test("sessions of one report are not mixed", async () => {
  const [ada] = REPORT.sessions;
  const [video, , sound] = ada.tracks;
  const bob = { ...ada, room: "weekly", session: "b1", participant: "bob", round_trip_ms: 7, grade: "poor", tracks: [{ ...video, bitrate_bps: 9_000, packets: 100, packets_lost: 100, jitter_ms: 90, freezes: 4 }] };
  const cyd = { session: "c1", room: "daily", participant: "cyd", interval_ms: 1_000, grade: "excellent", tracks: [sound] };
  assert.deepEqual(await post(JSON.stringify({ sessions: [bob, cyd, ada] }), nodeToken("n2", "local")), [200, { sessions: 3 }]);
  const lines = (await linesOf("quality")).filter(({ node }) => node === "n2");
  assert.equal(new Set(lines.map(({ request }) => request)).size, 1);
  const keys = ["room", "session", "participant", "interval_ms", "grade", "round_trip_ms", "estimate_bps", "sent_bps", "sent_lost_percent", "received_bps", "jitter_ms", "freezes"];
  assert.deepEqual(
    lines.map((line) => keys.map((key) => line[key])),
    [
      ["weekly", "b1", "bob", "60000", "poor", "7", "310000", "9000", "50.0", "0", "90", "4"],
      ["daily", "c1", "cyd", "1000", "excellent", "unknown", "unknown", "0", "0.0", "38000", "2", "0"],
      ["daily", "s7k2m4p6q8r0", "ada", "60000", "good", "42", "310000", "498000", "1.4", "188000", "6", "1"],
    ],
  );
});

test("only nodes may report, and no more than a report may hold", async () => {
  const code = async (...how) => {
    const [status, { code }] = await post(...how);
    return [status, code];
  };
  assert.deepEqual(await code(JSON.stringify(REPORT), joinToken("daily", "ada")), [401, "bad_token"]);
  assert.deepEqual(await code("{}"), [400, "invalid_message"]);
  assert.deepEqual(await code(JSON.stringify({ sessions: Array(51).fill(REPORT.sessions[0]) })), [400, "invalid_message"]);
  assert.deepEqual(await code(" ".repeat(2 * 1024 * 1024 + 1)), [413, "frame_too_large"]);
});
