/** Detailed statistics of one connection, as rates since the previous look, and the warnings that follow from them. */

export interface DetailedStats {
  readonly sentBps: number | null;
  readonly receivedBps: number | null;
  /** Loss of what this side sends, by the other side's reports, and of what it receives; in percent. */
  readonly sentLostPercent: number | null;
  readonly receivedLostPercent: number | null;
  readonly roundTripMs: number | null;
  readonly jitterMs: number | null;
  readonly framesDecoded: number;
  readonly framesPerSecond: number | null;
  /** The kinds of the candidates in use: `host`, `srflx`, `prflx` or `relay`. */
  readonly local: string | null;
  readonly remote: string | null;
}

export interface LinkWarning {
  readonly type: "packet_loss" | "round_trip" | "jitter";
  /** Percent, or milliseconds. */
  readonly value: number;
  readonly severity: "warning" | "critical";
}

/** From these values on. */
const BOUNDS = {
  packet_loss: { warning: 10, critical: 20 },
  round_trip: { warning: 400, critical: 800 },
  jitter: { warning: 50, critical: 100 },
} as const;

interface Totals {
  readonly atMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly received: number;
  readonly lost: number;
  readonly framesDecoded: number;
}

type Entry = Readonly<Record<string, unknown>> & { readonly type: string; readonly id: string };

export class StatsReader {
  #before: Totals | null = null;

  take(report: RTCStatsReport, nowMs: number): DetailedStats {
    const entries: Entry[] = [];
    report.forEach((entry: Entry) => entries.push(entry));
    const of = (type: string): Entry[] => entries.filter((entry) => entry.type === type);
    const sum = (list: Entry[], key: string): number => list.reduce((total, entry) => total + (number(entry[key]) ?? 0), 0);
    const most = (list: Entry[], key: string): number | null =>
      list.reduce<number | null>((max, entry) => (number(entry[key]) === null ? max : Math.max(max ?? 0, number(entry[key]) ?? 0)), null);
    const [inbound, outbound, reported] = [of("inbound-rtp"), of("outbound-rtp"), of("remote-inbound-rtp")];
    const transport = of("transport")[0]?.["selectedCandidatePairId"];
    const pair = of("candidate-pair").find(({ id, selected, nominated, state }) =>
      transport === undefined ? selected === true || (nominated === true && state === "succeeded") : id === transport);
    const kind = (key: string): string | null => {
      const candidate = entries.find(({ id }) => id === pair?.[key]);
      return typeof candidate?.["candidateType"] === "string" ? candidate["candidateType"] : null;
    };
    const totals: Totals = {
      atMs: nowMs,
      bytesSent: sum(outbound, "bytesSent"),
      bytesReceived: sum(inbound, "bytesReceived"),
      received: sum(inbound, "packetsReceived"),
      lost: sum(inbound, "packetsLost"),
      framesDecoded: sum(inbound, "framesDecoded"),
    };
    const before = this.#before;
    this.#before = totals;
    const rate = (key: "bytesSent" | "bytesReceived" | "framesDecoded", scale: number): number | null =>
      before === null || nowMs <= before.atMs ? null : (Math.max(0, totals[key] - before[key]) * scale * 1_000) / (nowMs - before.atMs);
    const fraction = most(reported, "fractionLost");
    const roundTripS = number(pair?.["currentRoundTripTime"]) ?? most(reported, "roundTripTime");
    const jitterS = most(inbound, "jitter");
    return {
      sentBps: rate("bytesSent", 8),
      receivedBps: rate("bytesReceived", 8),
      sentLostPercent: fraction === null ? null : 100 * fraction,
      receivedLostPercent: before === null ? null : lostPercent(totals.lost - before.lost, totals.received - before.received),
      roundTripMs: roundTripS === null ? null : 1_000 * roundTripS,
      jitterMs: jitterS === null ? null : 1_000 * jitterS,
      framesDecoded: totals.framesDecoded,
      framesPerSecond: rate("framesDecoded", 1),
      local: kind("localCandidateId"),
      remote: kind("remoteCandidateId"),
    };
  }
}

/** The warnings about a look, each with a severity. */
export function warningsOf({ sentLostPercent, receivedLostPercent, roundTripMs, jitterMs }: DetailedStats): LinkWarning[] {
  const values = { packet_loss: Math.max(sentLostPercent ?? 0, receivedLostPercent ?? 0), round_trip: roundTripMs ?? 0, jitter: jitterMs ?? 0 };
  return (["packet_loss", "round_trip", "jitter"] as const).flatMap((type) => {
    const value = values[type];
    const { warning, critical } = BOUNDS[type];
    return value > warning ? [{ type, value, severity: value > critical ? ("critical" as const) : ("warning" as const) }] : [];
  });
}

/** Late packets can make the number of lost ones fall (RFC 3550 §6.4.1). */
function lostPercent(lost: number, received: number): number | null {
  const expected = Math.max(0, lost) + Math.max(0, received);
  return expected === 0 ? null : (100 * Math.max(0, lost)) / expected;
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
