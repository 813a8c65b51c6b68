import { expect, test } from "vitest";
import { StatsReader, warningsOf } from "./stats";

function report(entries: readonly Record<string, unknown>[]): RTCStatsReport {
  return new Map(entries.map((entry) => [String(entry["id"]), entry])) as unknown as RTCStatsReport;
}

const look = (seconds: number, lost = 0) =>
  report([
    { id: "T", type: "transport", selectedCandidatePairId: "P" },
    { id: "P", type: "candidate-pair", currentRoundTripTime: 0.05, localCandidateId: "L", remoteCandidateId: "R" },
    { id: "L", type: "local-candidate", candidateType: "relay" },
    { id: "R", type: "remote-candidate", candidateType: "host" },
    { id: "O", type: "outbound-rtp", bytesSent: 125_000 * seconds },
    { id: "I", type: "inbound-rtp", bytesReceived: 250_000 * seconds, packetsReceived: 100 * seconds, packetsLost: lost, framesDecoded: 30 * seconds, jitter: 0.01 },
    { id: "S", type: "remote-inbound-rtp", fractionLost: 0.25, roundTripTime: 0.9 },
  ]);

test("rates are differences, in bits per second, percent and milliseconds", () => {
  const reader = new StatsReader();
  expect(reader.take(look(1), 1_000)).toMatchObject({ sentBps: null, receivedLostPercent: null, framesDecoded: 30 });
  expect(reader.take(look(3, 50), 3_000)).toEqual({
    sentBps: 1_000_000,
    receivedBps: 2_000_000,
    sentLostPercent: 25,
    receivedLostPercent: 20,
    roundTripMs: 50,
    jitterMs: 10,
    framesDecoded: 90,
    framesPerSecond: 30,
    local: "relay",
    remote: "host",
  });
});

// Holds S3-SIG-06.
test("warnings have a severity", () => {
  const reader = new StatsReader();
  reader.take(look(1), 1_000);
  const stats = reader.take(look(2, 15), 2_000);
  expect(warningsOf(stats)).toEqual([{ type: "packet_loss", value: 25, severity: "critical" }]);
  expect(warningsOf({ ...stats, sentLostPercent: 11, roundTripMs: 801, jitterMs: 60 })).toEqual([
    { type: "packet_loss", value: expect.closeTo(13.04, 1) as number, severity: "warning" },
    { type: "round_trip", value: 801, severity: "critical" },
    { type: "jitter", value: 60, severity: "warning" },
  ]);
  expect(warningsOf({ ...stats, sentLostPercent: 10, receivedLostPercent: 0 })).toEqual([]);
});
