/** Requests of the user, with one frame and one answer each. */
import { Emitter } from "./emitter";
import type { BanTerm, ParticipantChange, ParticipantId, TrackId } from "./protocol.gen";
import { randomId } from "./random";
import type { Peers } from "./peers/peers";
import type { RoomEvents } from "./room-events";
import type { Participant, RoomSnapshot } from "./snapshot";
import type { Ask, Connection, PeerRequest } from "./state";

export abstract class RoomRequests extends Emitter<RoomEvents> {
  /** The id of the trace in the logs of the deployment (W3C Trace Context). */
  readonly traceId = randomId();

  /** The same object until something changes. */
  abstract get snapshot(): RoomSnapshot;

  get connection(): Connection {
    return this.snapshot.connection;
  }

  get self(): Participant | null {
    return this.snapshot.self;
  }

  get participants(): readonly Participant[] {
    return this.snapshot.participants;
  }

  /** Resolves when the edge has executed the request; rejects if it refuses. */
  protected abstract ask(request: Ask): Promise<void>;

  raiseHand(raised: boolean): Promise<void> {
    return this.ask({ type: "raise_hand", raised });
  }

  /** Needs the grant `moderate`. */
  lowerHand(participant: ParticipantId): Promise<void> {
    return this.ask({ type: "lower_hand", participant });
  }

  /**
   * Mutes another participant's track. Its owner may unmute it unless `hold` is set, which takes the grant for its source;
   * `updateParticipant` gives it back. Needs the grant `moderate`.
   */
  muteTrack(participant: ParticipantId, track: TrackId, hold = false): Promise<void> {
    return this.ask({ type: "mute_track", participant, track, hold });
  }

  /**
   * Changes a participant: its role, grants, name, metadata or limits. A new `host` takes the place of the present one.
   * Needs the grant `moderate`, or `metadata` for one's own metadata.
   */
  updateParticipant(participant: ParticipantId, change: ParticipantChange): Promise<void> {
    return this.ask({ type: "update_participant", participant, ...change });
  }

  /** Shows participants large to everybody, at most 4; none ends it. Needs the grant `moderate`. */
  setSpotlight(spotlight: readonly ParticipantId[]): Promise<void> {
    return this.ask({ type: "update_room", spotlight: [...spotlight] });
  }

  /** Locks or unlocks the room: a locked room admits no new participants. Needs the grant `moderate`. */
  setLocked(locked: boolean): Promise<void> {
    return this.ask({ type: "update_room", locked });
  }

  /** Starts the call without waiting for others or for its scheduled time. Needs the grant `moderate`. */
  startCall(): Promise<void> {
    return this.ask({ type: "start_room" });
  }

  /** Pauses the call for everybody: nobody hears or sees anybody until `resumeCall`. Needs the grant `moderate`. */
  pauseCall(reason: string | null = null): Promise<void> {
    return this.ask({ type: "pause_room", ...(reason === null ? {} : { reason }) });
  }

  resumeCall(): Promise<void> {
    return this.ask({ type: "resume_room" });
  }

  /** Needs the grant `moderate`. */
  endForAll(reason: string | null = null): Promise<void> {
    return this.ask({ type: "end_room", ...(reason === null ? {} : { reason }) });
  }

  /**
   * Removes a participant; `ban` also bans them, temporarily or permanently. With `ban.address`, all guests at the same
   * address are removed and kept out, for a day at most. Needs the grant `moderate`.
   */
  kick(participant: ParticipantId, reason: string | null = null, ban: BanTerm | null = null): Promise<void> {
    return this.ask({ type: "kick", participant, ...(reason === null ? {} : { reason }), ...(ban === null ? {} : { ban }) });
  }

  liftBan(participant: ParticipantId): Promise<void> {
    return this.ask({ type: "lift_ban", participant });
  }

  /** Admits or refuses a waiting guest; needs the grant `moderate` or `admit`. */
  answerGuest(participant: ParticipantId, admit: boolean): Promise<void> {
    return this.ask({ type: admit ? "admit_guest" : "refuse_guest", participant });
  }

  /** Looks for publishers, or tells one participant something about a connection between the two; both arrive as `peer_message`. */
  tellPeers(message: PeerRequest): Promise<void> {
    return this.ask(message);
  }

  /** Connections with other participants, found by discovery; loads the code for them. */
  async openPeers(): Promise<Peers> {
    const loaded = await import("./peers/peers");
    return new loaded.Peers(this);
  }

  /** Records all published tracks in the room; needs the grant `record`. Rejects if the edge refuses. */
  startRecording(): Promise<void> {
    return this.ask({ type: "start_recording" });
  }

  stopRecording(): Promise<void> {
    return this.ask({ type: "stop_recording" });
  }
}
