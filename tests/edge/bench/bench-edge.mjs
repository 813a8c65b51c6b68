// A room's cost for the edge, and that of the same room in plain JavaScript (room.mjs), each in its own workerd.
// `node bench-edge.mjs [--json] [--smoke]` prints a table, or a line of JSON for each case.
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DEPLOYED, KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { WORKER_KB_MAX, workerKb } from "../support/worker-size.mjs";
import { Crowd } from "./crowd.mjs";

const { json, smoke } = parseArgs({ options: { json: { type: "boolean" }, smoke: { type: "boolean" } } }).values;

/** People, and rooms of that size, so that each measurement takes much longer than the clock's ticks of 10 ms. */
const SIZES = smoke ? [[10, 1]] : [[10, 20], [100, 3], [1_000, 1]];
/** The last joins into the full room. */
const LAST = 0.05;
/** Fewer than the room admits, in both programs the same: more joins at once would share more announcements. */
const JOINS_PER_S = 45;
const WARM_JOINS = smoke ? 5 : 60;
/** Requests of ten participants, below their rate. */
const REQUEST_ROUNDS = smoke ? 5 : 200;
const REQUEST_PAUSE_MS = 50;
const FEW = 10;
/** Reactions that everybody receives, from ten participants at a time; each may send twelve at once. */
const REACTION_ROUNDS = smoke ? 1 : 60;
const RECEIVED_MAX = 100_000;
const WAKES = smoke ? 1 : 5;
const STARTS = smoke ? 1 : 5;
/** Longer than changes are gathered. */
const SETTLED_MS = 300;

const ours = { ...DEPLOYED, direct: true, assets: false };
const javascript = { program: fileURLToPath(new URL("worker.mjs", import.meta.url)), tokenKey: KEYS.token.secret };
const lines = [];

for (const [number, [size, rooms]] of SIZES.entries()) {
  const isLast = number === SIZES.length - 1;
  const [us, them] = [await measure(ours, size, rooms, isLast), await measure(javascript, size, rooms, isLast)];
  const of = (name) => ({ ours: us[name], floor: them[name] });
  line(`join, filling to ${size}, CPU`, "ms", of("joinMs"));
  line(`join, filling to ${size}, sent`, "KB", of("joinKb"));
  if (us.wakeMs === null) continue;
  const goal = size === 1_000 ? most(us.lastMs, 5) : {};
  line(`join, the last of ${size}, CPU`, "ms", { ours: us.lastMs, floor: null, peers: { javascript: them.lastMs }, ...goal });
  line(`broadcast to ${size}, per receiver`, "us", { ...of("receiverUs"), ...most(us.receiverUs / them.receiverUs, 1.15) });
  line(`targeted message at ${size}`, "us", { ...of("requestUs"), ...most(us.requestUs / them.requestUs, 1.6) });
  line(`wake at ${size}, CPU`, "ms", of("wakeMs"));
  if (isLast) line("memory per participant", "KB", of("memberKb"));
}
if (!smoke) {
  const [small, large] = [100, 1_000].map((size) => size * lines.find((line) => line.case === `join, filling to ${size}, CPU`).ours);
  line("filling to 1000, compared with 100", "", { ours: large / small, floor: null, ...most(large / small, 15) });
}
const started = [await start(ours), await start(javascript)];
line("cold start, first answer", "ms", { ours: started[0], floor: started[1] });
const kb = workerKb();
line("Worker, gzip", "KB", { ours: kb, floor: null, ...most(kb, WORKER_KB_MAX) });
if (!json) console.table(Object.fromEntries(lines.map(({ case: name, ours, floor, peers, unit, goal }) => [name, { ours, javascript: floor ?? peers.javascript, unit, goal }])));

/** With a floor, the goal is for the ratio. */
function line(name, unit, { ours, floor, peers = {}, goal = null, met = null }) {
  const rounded = (value) => (value === null ? null : Number(value.toPrecision(4)));
  const line = { bench: "edge", case: name, unit, ours: rounded(ours), floor: rounded(floor), peers, goal, met };
  lines.push(line);
  if (json) console.log(JSON.stringify(line));
}

function most(value, goal) {
  return { goal, met: value <= goal };
}

/** Fills `rooms` rooms, and measures the last one when it is full, unless it is small. */
async function measure(options, size, rooms, isLast) {
  const isFull = isLast || size >= 100;
  const edge = await startEdge(options);
  try {
    const node = options === ours ? await MediaNode.start(edge) : null;
    await fill(edge, node, "warm", WARM_JOINS);
    const memoryBefore = edge.memoryKb();
    const filled = [];
    for (let number = 0; number < rooms; number++) {
      filled.at(-1)?.crowd.end();
      await setTimeout(SETTLED_MS);
      filled.push(await fill(edge, node, `room-${number}`, size));
    }
    const mean = (name) => filled.reduce((sum, result) => sum + result[name], 0) / rooms;
    const memberKb = (edge.memoryKb() - memoryBefore) / size;
    const { crowd } = filled.at(-1);
    const result = {
      joinMs: mean("cpuMs") / size,
      lastMs: mean("lastMs"),
      joinKb: mean("bytes") / size / 1024,
      memberKb,
      receiverUs: isFull ? await broadcast(edge, crowd) : null,
      requestUs: isFull ? await requests(edge, crowd) : null,
      wakeMs: isFull ? await wake(edge, crowd) : null,
    };
    crowd.end();
    return result;
  } finally {
    await edge.stop();
  }
}

/** Fills a room at a steady rate; everybody's media reaches the node. */
async function fill(edge, node, room, size) {
  const crowd = new Crowd(edge, room, size);
  const [cpuBefore, began] = [edge.cpuMs(), performance.now()];
  const last = Math.max(1, Math.round(size * LAST));
  let lastBefore = cpuBefore;
  for (let number = 0; number < size; number++) {
    await setTimeout(Math.max(0, began + (number * 1_000) / JOINS_PER_S - performance.now()));
    if (number === size - last) lastBefore = edge.cpuMs();
    const reply = await crowd.join();
    if (number === 0) await connectMedia(node, room, JSON.parse(reply).session);
  }
  await setTimeout(SETTLED_MS);
  const cpuMs = edge.cpuMs();
  return { crowd, cpuMs: cpuMs - cpuBefore, lastMs: (cpuMs - lastBefore) / last, bytes: crowd.bytes() };
}

/** The node reports every session as connected. */
async function connectMedia(node, room, first) {
  if (node === null) return;
  const link = await node.serving(room);
  link.socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type === "set_session") link.connected(message.session.session);
  });
  link.connected(first);
}

/** Microseconds of CPU for each receiver of a reaction. */
async function broadcast(edge, { members }) {
  const frames = () => members.reduce((sum, { frames }) => sum + frames, 0);
  const [cpuBefore, framesBefore] = [edge.cpuMs(), frames()];
  const rounds = Math.min(REACTION_ROUNDS, RECEIVED_MAX / members.length / FEW);
  for (let number = 0; number < rounds; number++) {
    const speakers = Array.from({ length: FEW }, (_, place) => members[(number * FEW + place) % members.length]);
    await ask(speakers, { type: "react", reaction: "clap" });
  }
  await setTimeout(SETTLED_MS);
  return ((edge.cpuMs() - cpuBefore) * 1_000) / (frames() - framesBefore);
}

/** Microseconds of CPU for a request that is answered to its sender. */
async function requests(edge, { members }) {
  const few = members.slice(0, FEW);
  const [cpuBefore, participants] = [edge.cpuMs(), few.map(({ id }) => id)];
  for (let number = 0; number < REQUEST_ROUNDS; number++) {
    await ask(few, { type: "view", participants });
    await setTimeout(REQUEST_PAUSE_MS);
  }
  return ((edge.cpuMs() - cpuBefore) * 1_000) / (REQUEST_ROUNDS * FEW);
}

/** All of them send a request, which must succeed. */
async function ask(members, message) {
  const replies = await Promise.all(members.map((member) => member.request(message)));
  const refused = replies.find((reply) => !reply.startsWith('{"type":"done"'));
  if (refused) throw new Error(`${message.type}: ${refused}`);
}

/** CPU of the first request after hibernation. */
async function wake(edge, { room, members: [member] }) {
  let cpuMs = 0;
  for (let number = 0; number < WAKES; number++) {
    await setTimeout(SETTLED_MS);
    const cpuBefore = edge.cpuMs();
    await edge.hibernate(room);
    await member.request({ type: "view", participants: [] });
    cpuMs += edge.cpuMs() - cpuBefore;
  }
  return cpuMs / WAKES;
}

/** The median time to the first answer of a process that has loaded the Worker but not run it. */
async function start(options) {
  const times = [];
  for (let number = 0; number < STARTS; number++) {
    const edge = await startEdge(options);
    try {
      const began = performance.now();
      await fetch(`${edge.http}/healthz`);
      times.push(performance.now() - began);
    } finally {
      await edge.stop();
    }
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}
