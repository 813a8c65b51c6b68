/** The state of a call for people who look for the cause of a problem, without anything secret. Pure. */
import type { Participant, ParticipantId, ParticipantStats, Timings, TrackSource, TrackStats } from "@rotunda/client";

/** All fields read from any entry; browsers omit some. */
export type Entry = RTCStats & {
  readonly kind?: string;
  readonly nominated?: boolean;
  readonly selectedCandidatePairId?: string;
  readonly localCandidateId?: string;
  readonly remoteCandidateId?: string;
  readonly candidateType?: string;
  readonly protocol?: string;
  readonly relayProtocol?: string;
  readonly address?: string;
  readonly port?: number;
  readonly currentRoundTripTime?: number;
  readonly availableOutgoingBitrate?: number;
  readonly trackIdentifier?: string;
  readonly mediaSourceId?: string;
  readonly codecId?: string;
  readonly mimeType?: string;
};

/** The path of the media. */
export interface Path {
  readonly roundTripMs: number | null;
  /** The browser's estimate of its uplink. */
  readonly uplinkBps: number | null;
  /** The kinds of the two ends (RFC 8445 §5.1.1): `host`, `srflx`, `prflx`, `relay`. */
  readonly local: string | null;
  readonly remote: string | null;
  /** `udp` or `tcp`; behind a TURN server the protocol to it. */
  readonly protocol: string | null;
  /** The media node's address. The user's own addresses are nobody's business. */
  readonly node: string | null;
}

export interface TrackReport {
  readonly source: TrackSource;
  readonly muted: boolean;
  /** The downlink is too slow for it. */
  readonly paused: boolean;
  readonly codec: string | null;
  /** `null` while nothing is sent or received. */
  readonly stats: Omit<TrackStats, "source"> | null;
}

export interface PersonReport {
  readonly id: ParticipantId;
  readonly connection: string;
  readonly quality: string | null;
  readonly tracks: readonly TrackReport[];
}

export interface Report {
  readonly path: Path;
  readonly people: readonly PersonReport[];
}

export interface Sources {
  readonly entries: readonly Entry[];
  /** The user first. */
  readonly participants: readonly Participant[];
  readonly stats: ReadonlyMap<ParticipantId, ParticipantStats>;
}

export function report({ entries, participants, stats }: Sources): Report {
  const people = participants.map(({ id, connection, quality, tracks }): PersonReport => {
    const measured = stats.get(id)?.tracks ?? [];
    return {
      id,
      connection,
      quality,
      tracks: tracks.map(({ source, muted, paused, media }) => {
        const { source: _, ...numbers } = measured.find((track) => track.source === source) ?? { source: null };
        const isMeasured = "bitrateBps" in numbers;
        return { source, muted, paused, codec: media === null ? null : codecOf(entries, media.id), stats: isMeasured ? numbers : null };
      }),
    };
  });
  return { path: pathOf(entries), people };
}

function pathOf(entries: readonly Entry[]): Path {
  const find = (id: string | undefined): Entry | undefined => (id === undefined ? undefined : entries.find((entry) => entry.id === id));
  const selected = entries.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId !== undefined);
  // Firefox has no transport statistics.
  const pair = find(selected?.selectedCandidatePairId) ?? entries.find(({ type, nominated }) => type === "candidate-pair" && nominated === true);
  const [local, remote] = [find(pair?.localCandidateId), find(pair?.remoteCandidateId)];
  const seconds = pair?.currentRoundTripTime;
  return {
    roundTripMs: seconds === undefined ? null : seconds * 1_000,
    uplinkBps: pair?.availableOutgoingBitrate ?? null,
    local: local?.candidateType ?? null,
    remote: remote?.candidateType ?? null,
    protocol: local?.relayProtocol ?? local?.protocol ?? null,
    node: remote?.address === undefined ? null : `${remote.address.includes(":") ? `[${remote.address}]` : remote.address}:${remote.port ?? 0}`,
  };
}

/** `VP8`, for a received track or the user's own. */
function codecOf(entries: readonly Entry[], track: string): string | null {
  const source = entries.find(({ type, trackIdentifier }) => type === "media-source" && trackIdentifier === track);
  const isOf = ({ type, trackIdentifier, mediaSourceId }: Entry): boolean =>
    (type === "inbound-rtp" && trackIdentifier === track) || (type === "outbound-rtp" && source !== undefined && mediaSourceId === source.id);
  const codecId = entries.find((entry) => isOf(entry) && entry.codecId !== undefined)?.codecId;
  return entries.find(({ id, type }) => type === "codec" && id === codecId)?.mimeType?.split("/")[1] ?? null;
}

export interface Circumstances {
  readonly at: Date;
  readonly browser: string;
  readonly timings: Timings;
}

/** For a message to the people who run the deployment: people have numbers instead of names, and the room has none. */
export function asJson({ path, people }: Report, { at, browser, timings }: Circumstances): string {
  const numbered = people.map(({ id: _, ...person }, index) => ({ participant: index === 0 ? "self" : index, ...person }));
  const round = (_: string, value: unknown): unknown => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  return JSON.stringify({ at: at.toISOString(), browser, timings, path, participants: numbered }, round, 2);
}
