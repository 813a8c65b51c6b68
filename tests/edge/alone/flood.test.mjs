// Hundreds of bad upgrades per second of each kind, while good clients join within two seconds. On two fast idle cores,
// FLOOD_PER_SECOND=1000 passes too; where workerd's thread is never idle, good clients wait in the same queue as the
// flood. `cargo xtask bench edge` measures that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOODS, underFlood } from "../support/floods.mjs";

const PER_SECOND = Number(process.env.FLOOD_PER_SECOND ?? 500);
/** The minimum share of its rate that a flood reaches, with slack for a machine that pauses for a moment. */
const REACHED_MIN = 0.9;
const FLOODED_MS = 5_000;
const GOOD_JOINS = 8;
/** The limits for half of the joins, and for those during a pause of the machine or the joins of an admitted crowd. */
const JOIN_MS_MAX = 2_000;
const SLOWEST_JOIN_MS_MAX = 10_000;
/** Eight times what a full room admits, until it has 380 people: one thread would not have time for many more. */
const CROWD_PER_SECOND = 400;
const CROWD_MS = 2_500;

for (const kind of FLOODS) {
  test(`a flood ${kind.name}`, async (context) => {
    const [rate, floodedMs] = kind.isCrowd ? [CROWD_PER_SECOND, CROWD_MS] : [PER_SECOND, FLOODED_MS];
    const { counts, took, reached, mayReach, perSecond, ...cpu } = await underFlood(kind, { perSecond: rate, floodedMs, goodJoins: GOOD_JOINS });
    context.diagnostic(
      `${perSecond} connections a second, ${reached} reached the room; good clients took ${took.join(", ")} ms; ` +
        `workerd ${cpu.cpuMsEach.toFixed(2)} ms a connection, ${Math.round(cpu.cpuShare * 100)} % of a core; ` +
        `the flood ${Math.round(cpu.floodCpuShare * 100)} %; ${JSON.stringify(counts)}`,
    );
    assert.ok(perSecond >= REACHED_MIN * rate, `the flood was no flood: ${perSecond} a second`);
    const ordered = took.toSorted((one, other) => one - other);
    const [median, slowest] = [ordered[GOOD_JOINS / 2], ordered.at(-1)];
    assert.ok(median <= JOIN_MS_MAX && slowest <= SLOWEST_JOIN_MS_MAX, `good clients took ${took.join(", ")} ms`);
    assert.ok(reached <= mayReach, `${reached} connections reached the room, not ${mayReach}`);
    // The others got a status; some got the reason on a socket.
    assert.ok(counts.switched <= mayReach + 64 + 50 * counts.seconds, `${counts.switched} sockets were opened`);
  });
}
