import type { Participant, ParticipantStats, Track } from "@rotunda/client";
import { describe, expect, test } from "vitest";
import type { Entry } from "./diagnostics";
import { asJson, report } from "./diagnostics";

const entry = (id: string, type: string, more: Partial<Entry> = {}): Entry => ({ id, type, timestamp: 0, ...more }) as Entry;

const track = (source: Track["source"], media: string | null, muted = false): Track => ({
  id: `t-${source}`,
  kind: source === "microphone" ? "audio" : "video",
  source,
  muted,
  paused: false,
  undecodable: false,
  limit: null,
  media: media === null ? null : ({ id: media } as MediaStreamTrack),
});

const person = (id: string, tracks: readonly Track[], isSelf = false): Participant =>
  ({ id, name: `Name of ${id}`, isSelf, connection: "connected", quality: "good", tracks }) as unknown as Participant;

const CHROMIUM: Entry[] = [
  entry("T", "transport", { selectedCandidatePairId: "P2" }),
  entry("P1", "candidate-pair", { nominated: true, localCandidateId: "L1", remoteCandidateId: "R", currentRoundTripTime: 9 }),
  entry("P2", "candidate-pair", { localCandidateId: "L2", remoteCandidateId: "R", currentRoundTripTime: 0.0314159, availableOutgoingBitrate: 2_500_000 }),
  entry("L1", "local-candidate", { candidateType: "host", protocol: "udp", address: "192.168.1.7", port: 50_000 }),
  entry("L2", "local-candidate", { candidateType: "relay", protocol: "udp", relayProtocol: "tls", address: "203.0.113.9", port: 4_000 }),
  entry("R", "remote-candidate", { candidateType: "host", protocol: "udp", address: "198.51.100.4", port: 443 }),
  entry("C1", "codec", { mimeType: "video/VP8" }),
  entry("C2", "codec", { mimeType: "audio/opus" }),
  entry("I1", "inbound-rtp", { trackIdentifier: "slot-1", codecId: "C1" }),
  entry("S1", "media-source", { trackIdentifier: "own-microphone" }),
  entry("O1", "outbound-rtp", { mediaSourceId: "S1", codecId: "C2" }),
];
const PEOPLE = [person("me@example.org", [track("microphone", "own-microphone")], true), person("ada@example.org", [track("camera", "slot-1"), track("microphone", null, true)])];
const STATS = new Map<string, ParticipantStats>([
  ["ada@example.org", { roundTripMs: 31, quality: "good", tracks: [{ source: "camera", bitrateBps: 400_000, lossPercent: 1 / 3, jitterMs: 4, width: 640, lines: 360, framesPerSecond: 15, layer: null, freezes: 0, nacks: 0, plis: 0 }] }],
]);

describe("a report", () => {
  test("has the pair in use, not another one, and no address of the user", () => {
    const { path } = report({ entries: CHROMIUM, participants: PEOPLE, stats: STATS });
    expect(path).toEqual({ roundTripMs: expect.closeTo(31.4, 1), uplinkBps: 2_500_000, local: "relay", remote: "host", protocol: "tls", node: "198.51.100.4:443" });
  });

  test("has the nominated pair where the browser tells no more, and an address of IPv6 in brackets", () => {
    const entries = [
      entry("P", "candidate-pair", { nominated: true, localCandidateId: "L", remoteCandidateId: "R" }),
      entry("L", "local-candidate", { candidateType: "host", protocol: "tcp" }),
      entry("R", "remote-candidate", { candidateType: "host", address: "2001:db8::1", port: 443 }),
    ];
    const { path } = report({ entries, participants: [], stats: new Map() });
    expect(path).toEqual({ roundTripMs: null, uplinkBps: null, local: "host", remote: "host", protocol: "tcp", node: "[2001:db8::1]:443" });
  });

  test("has each track's codec and numbers, sent or received; nothing while it is silent", () => {
    const { people } = report({ entries: CHROMIUM, participants: PEOPLE, stats: STATS });
    const shown = people.map(({ tracks }) => tracks.map(({ source, codec, stats }) => `${source} ${codec} ${stats?.lines ?? "-"}`));
    expect(shown).toEqual([["microphone opus -"], ["camera VP8 360", "microphone null -"]]);
  });

  test("is empty before there is a connection", () => {
    const { path } = report({ entries: [], participants: [], stats: new Map() });
    expect(Object.values(path).every((value) => value === null)).toBe(true);
  });
});

test("the copy names nobody: no name, no id, no room, no address of the user", () => {
  const json = asJson(report({ entries: CHROMIUM, participants: PEOPLE, stats: STATS }), { at: new Date(0), browser: "Browser/1", timings: { joined: 81.237 } });
  expect(json).not.toMatch(/example\.org|Name of|192\.168|203\.0\.113|token|slot-1|t-camera/);
  const { at, browser, timings, path, participants } = JSON.parse(json) as Record<string, any>;
  expect([at, browser, timings.joined, path.roundTripMs]).toEqual(["1970-01-01T00:00:00.000Z", "Browser/1", 81.24, 31.42]);
  expect(participants.map(({ participant }: { participant: unknown }) => participant)).toEqual(["self", 1]);
  expect(participants[1].tracks[0]).toMatchObject({ source: "camera", codec: "VP8", stats: { bitrateBps: 400_000, lossPercent: 0.33, framesPerSecond: 15 } });
});
