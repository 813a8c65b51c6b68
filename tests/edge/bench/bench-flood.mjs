// The slowest of some good joins while each kind of flood sends a thousand bad connections a second.
// `node bench-flood.mjs [--json] [--smoke]` prints a table, or a line of JSON for each case.
import { parseArgs } from "node:util";
import { FLOODS, underFlood } from "../support/floods.mjs";

const { json, smoke } = parseArgs({ options: { json: { type: "boolean" }, smoke: { type: "boolean" } } }).values;

const PER_SECOND = 1_000;
/** A flood that reaches less proves nothing about its goal. */
const PER_SECOND_MIN = 0.9 * PER_SECOND;
const JOIN_MS_MAX = 2_000;
const ROUND = smoke ? { floodedMs: 500, goodJoins: 2 } : { floodedMs: 8_000, goodJoins: 16 };
const lines = [];

for (const kind of smoke ? FLOODS.slice(0, 1) : FLOODS) {
  const { took, perSecond, cpuMsEach } = await underFlood(kind, { perSecond: PER_SECOND, ...ROUND });
  const slowest = Math.max(...took);
  const peers = { "connections/s": perSecond, "CPU ms each": Number(cpuMsEach.toFixed(2)) };
  const met = slowest <= JOIN_MS_MAX && perSecond >= PER_SECOND_MIN;
  const line = { bench: "edge", case: `slowest join, flood ${kind.name}`, unit: "ms", ours: slowest, floor: null, peers, goal: JOIN_MS_MAX, met };
  lines.push(line);
  if (json) console.log(JSON.stringify(line));
}
if (!json) console.table(Object.fromEntries(lines.map(({ case: name, ours, goal, peers }) => [name, { ours, goal, ...peers }])));
