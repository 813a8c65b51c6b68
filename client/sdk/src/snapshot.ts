/** What an application sees of a room: plain objects, made anew whenever something changes. */
import type { RoomError } from "./errors";
import type {
  ConnectionState,
  MediaKind,
  Mid,
  ParticipantId,
  ParticipantInfo,
  RecordingInfo,
  TrackId,
  TrackInfo,
  TrackSource,
} from "./protocol.gen";
import type { Connection, State } from "./state";
import { connection } from "./state";
import type { LocalTrack } from "./track";

/** The room at one moment. */
export interface RoomSnapshot {
  readonly connection: Connection;
  /** Why the room ended, where it was not the user who left. */
  readonly error: RoomError | null;
  readonly self: Participant | null;
  /** Everybody else, in the order in which they joined. */
  readonly participants: readonly Participant[];
  readonly microphone: LocalDevice;
  readonly camera: LocalDevice;
  /** The recording that runs, or the last one that was heard of. */
  readonly recording: RecordingInfo | null;
  /** Whether the user may be heard and seen at all. */
  readonly publishes: boolean;
  /** One for each audio slot; play all of them, whoever is heard in them. */
  readonly audioTracks: readonly MediaStreamTrack[];
  /** Where sound is to be played, where the user chose. */
  readonly speakerId: string | null;
}

/** Somebody in the room. */
export interface Participant {
  readonly id: ParticipantId;
  readonly name: string;
  readonly isSelf: boolean;
  readonly connection: ConnectionState;
  readonly speaking: boolean;
  readonly tracks: readonly Track[];
}

/** Something that somebody publishes. */
export interface Track {
  readonly id: TrackId;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly muted: boolean;
  /** What to show or play; nothing while it plays in none of this client's slots. */
  readonly media: MediaStreamTrack | null;
}

/** The user's own microphone or camera. */
export interface LocalDevice {
  readonly on: boolean;
  readonly track: MediaStreamTrack | null;
  readonly deviceId: string | null;
}

/** What a snapshot is made of. */
export interface Sources {
  readonly state: State;
  readonly error: RoomError | null;
  readonly speaking: ReadonlySet<ParticipantId>;
  readonly microphone: LocalTrack;
  readonly camera: LocalTrack;
  readonly speakerId: string | null;
  readonly audioTracks: readonly MediaStreamTrack[];
  slotTrack(mid: Mid): MediaStreamTrack | null;
}

/** Makes a snapshot. */
export function snapshot(sources: Sources): RoomSnapshot {
  const { state, error, microphone, camera, speakerId, audioTracks } = sources;
  const inOrder = [...state.roster].sort((a, b) => a.joined_at - b.joined_at || (a.id < b.id ? -1 : 1));
  const everybody = inOrder.map((info) => participant(info, sources));
  return {
    connection: connection(state),
    error,
    self: everybody.find(({ isSelf }) => isSelf) ?? null,
    participants: everybody.filter(({ isSelf }) => !isSelf),
    microphone: localDevice(microphone),
    camera: localDevice(camera),
    recording: state.recording,
    publishes: state.publishes,
    audioTracks,
    speakerId,
  };
}

function participant(info: ParticipantInfo, sources: Sources): Participant {
  const isSelf = info.id === sources.state.self;
  return {
    id: info.id,
    name: info.name,
    isSelf,
    connection: info.connection,
    speaking: sources.speaking.has(info.id),
    tracks: info.tracks.map((track) => (isSelf ? ownTrack(track, sources) : remoteTrack(track, sources))),
  };
}

function remoteTrack({ id, kind, source, muted }: TrackInfo, { state, slotTrack }: Sources): Track {
  const slot = state.slots.find(({ track }) => track === id);
  return { id, kind, source, muted, media: slot === undefined ? null : slotTrack(slot.mid) };
}

function ownTrack({ id, kind, source, muted }: TrackInfo, { microphone, camera }: Sources): Track {
  const local = source === "microphone" ? microphone : source === "camera" ? camera : null;
  // The user sees at once what they did, not when the edge has heard of it.
  return { id, kind, source, muted: local === null ? muted : !local.on, media: local?.track ?? null };
}

function localDevice({ on, track, deviceId }: LocalTrack): LocalDevice {
  return { on, track, deviceId };
}
