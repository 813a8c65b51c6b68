/** Reads the browser's statistics: transport liveness, audio levels, decoded video. */
import type { Mid } from "./protocol.gen";
import type { Peer } from "./peer";
import type { ReceivedStream, SentStream, StatsLook, StreamCounters } from "./participant-stats";
import type { Look } from "./quality";
import type { TransportSample } from "./transport-watch";

/** Older audio levels are ignored. */
const LEVEL_AGE_MS_MAX = 400;

export interface Counters extends Omit<TransportSample, "flows" | "disconnected">, Look, StatsLook {
  readonly streams: readonly ReceivedStream[];
  /** Linear level of the microphone, if captured. */
  readonly microphoneLevel: number | null;
  readonly framesDecoded: number;
  /** The browser's estimate of its send rate; `null` if unavailable. */
  readonly availableBps: number | null;
}

/** A slot's audio level, and its current sources (CSRC, RFC 3550 §5.1). */
export interface SlotLevel {
  readonly mid: Mid;
  readonly level: number;
  readonly sources: readonly number[];
}

/** All numbers read from any entry; browsers omit some. */
type Entry = RTCStats & {
  readonly kind?: string;
  readonly packetsReceived?: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly framesEncoded?: number;
  readonly freezeCount?: number;
  readonly nackCount?: number;
  readonly pliCount?: number;
  readonly jitter?: number;
  readonly jitterBufferDelay?: number;
  readonly jitterBufferEmittedCount?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly mid?: string;
  readonly rid?: string;
  readonly localId?: string;
  readonly packetsSent?: number;
  readonly roundTripTimeMeasurements?: number;
  readonly requestsSent?: number;
  readonly consentRequestsSent?: number;
  readonly responsesReceived?: number;
  readonly framesDecoded?: number;
  readonly audioLevel?: number;
  readonly trackIdentifier?: string;
  readonly packetsLost?: number;
  readonly fractionLost?: number;
  readonly nominated?: boolean;
  readonly selectedCandidatePairId?: string;
  readonly currentRoundTripTime?: number;
  readonly availableOutgoingBitrate?: number;
};

/** Adds up one report of `RTCPeerConnection.getStats()`. */
export function readCounters(report: Iterable<Entry>, atMs: number): Counters {
  const entries = [...report];
  const sum = (type: string, key: keyof Entry): number =>
    entries.reduce((total, entry) => total + (entry.type === type ? Number(entry[key] ?? 0) : 0), 0);
  const rtpReceived = sum("inbound-rtp", "packetsReceived");
  const stunReplies = sum("candidate-pair", "responsesReceived");
  // Firefox has no transport statistics: there, reports with a round trip stand in for RTCP.
  const transport = sum("transport", "packetsReceived");
  const heardFromNode = transport > 0 ? transport - rtpReceived : sum("remote-inbound-rtp", "roundTripTimeMeasurements");
  const source = entries.find((entry) => entry.type === "media-source" && entry.kind === "audio");
  return {
    atMs,
    heard: rtpReceived + heardFromNode + stunReplies,
    media: rtpReceived + heardFromNode,
    heardFromNode,
    sent: sum("outbound-rtp", "packetsSent"),
    stunRequests: sum("candidate-pair", "requestsSent") + sum("candidate-pair", "consentRequestsSent"),
    stunReplies,
    microphoneLevel: source?.audioLevel ?? null,
    framesDecoded: sum("inbound-rtp", "framesDecoded"),
    streams: streams(entries),
    sentStreams: sentStreams(entries),
    rttMs: roundTripMs(entries),
    availableBps: pairInUse(entries)?.availableOutgoingBitrate ?? null,
    sentLost: sentLost(entries),
  };
}

function streams(entries: readonly Entry[]): ReceivedStream[] {
  return entries.flatMap((entry) => {
    const { type, trackIdentifier: track, packetsReceived = 0, bytesReceived = 0, framesDecoded = 0, jitter } = entry;
    const counters = { ...countersOf(entry), packets: packetsReceived, bytes: bytesReceived, frames: framesDecoded };
    const buffer = { bufferedMs: milliseconds(entry.jitterBufferDelay) ?? 0, released: entry.jitterBufferEmittedCount ?? 0 };
    return type === "inbound-rtp" && track !== undefined ? [{ track, ...counters, ...buffer, jitterMs: milliseconds(jitter) }] : [];
  });
}

/** From the node's reports about each layer. */
function sentStreams(entries: readonly Entry[]): SentStream[] {
  return entries.flatMap((entry) => {
    const { type, id, mid, rid = null, packetsSent = 0, bytesSent = 0, framesEncoded = 0 } = entry;
    if (type !== "outbound-rtp" || mid === undefined) {
      return [];
    }
    const report = entries.find(({ type: kind, localId }) => kind === "remote-inbound-rtp" && localId === id);
    const lostPercent = report?.fractionLost === undefined ? null : report.fractionLost * 100;
    const counters = { ...countersOf(entry), packets: packetsSent, bytes: bytesSent, frames: framesEncoded };
    return [{ mid, rid, ...counters, lost: 0, lostPercent, jitterMs: milliseconds(report?.jitter) }];
  });
}

function countersOf({ packetsLost: lost = 0, freezeCount, nackCount, pliCount, frameWidth, frameHeight }: Entry): Omit<
  StreamCounters,
  "packets" | "bytes" | "frames" | "jitterMs"
> {
  const [freezes, nacks, plis] = [freezeCount ?? 0, nackCount ?? 0, pliCount ?? 0];
  return { lost, freezes, nacks, plis, width: frameWidth ?? null, lines: frameHeight ?? null };
}

/** webrtc-stats measures time in seconds. */
function milliseconds(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1_000;
}

function roundTripMs(entries: readonly Entry[]): number | null {
  return milliseconds(pairInUse(entries)?.currentRoundTripTime);
}

/** Several pairs may be nominated; media uses the selected one. */
function pairInUse(entries: readonly Entry[]): Entry | undefined {
  // Firefox has no transport statistics.
  const selected = entries.find(({ selectedCandidatePairId: id }) => id !== undefined)?.selectedCandidatePairId;
  return entries.find(({ type, id, nominated, currentRoundTripTime }) =>
    type === "candidate-pair" && (selected === undefined ? nominated === true : id === selected) && currentRoundTripTime !== undefined,
  );
}

/** The worst loss of the sent streams. */
function sentLost(entries: readonly Entry[]): number | null {
  const shares = entries.flatMap(({ type, fractionLost }) =>
    type === "remote-inbound-rtp" && fractionLost !== undefined ? [fractionLost] : [],
  );
  return shares.length === 0 ? null : Math.max(...shares);
}

export async function sample(peer: Peer): Promise<Counters> {
  const report = await peer.connection.getStats();
  const entries: Entry[] = [];
  report.forEach((entry: Entry) => entries.push(entry));
  return readCounters(entries, performance.now());
}

/** True if any receiver got a packet recently; needs no statistics. */
export function arrives(peer: Peer): boolean {
  return [...peer.receivers("audio"), ...peer.receivers("video")].some(({ receiver }) =>
    receiver.getSynchronizationSources().some(isOfNow),
  );
}

/** The current level of each audio slot; empty slots are omitted. */
export function slotLevels(peer: Peer): SlotLevel[] {
  return peer.receivers("audio").flatMap(({ mid, receiver }) => {
    const [stream] = receiver.getSynchronizationSources().filter(isOfNow);
    if (mid === null || stream === undefined) {
      return [];
    }
    const sources = receiver.getContributingSources().filter(isOfNow);
    return [{ mid, level: stream.audioLevel ?? 0, sources: sources.map(({ source }) => source) }];
  });
}

function isOfNow({ timestamp }: RTCRtpContributingSource): boolean {
  // The specification uses the wall clock; some browsers use the page's clock.
  const [page, wall] = [performance.now(), performance.timeOrigin + performance.now()];
  return Math.min(Math.abs(wall - timestamp), Math.abs(page - timestamp)) < LEVEL_AGE_MS_MAX;
}
