/** What a user asks of the room, in one frame and one answer each. */
import { Emitter } from "./emitter";
import type { BanTerm, ParticipantId, TrackId } from "./protocol.gen";
import type { RoomEvents } from "./room-events";
import type { Ask } from "./state";

export abstract class RoomRequests extends Emitter<RoomEvents> {
  /** Resolves when the edge has done it; rejects where it says no. */
  protected abstract ask(request: Ask): Promise<void>;

  raiseHand(raised: boolean): Promise<void> {
    return this.ask({ type: "raise_hand", raised });
  }

  /** Needs the grant `moderate`. */
  lowerHand(participant: ParticipantId): Promise<void> {
    return this.ask({ type: "lower_hand", participant });
  }

  /** Mutes another participant's track; its owner may unmute it. Needs the grant `moderate`. */
  muteTrack(participant: ParticipantId, track: TrackId): Promise<void> {
    return this.ask({ type: "mute_track", participant, track });
  }

  /** Lets nobody new in, or lets them in again; needs the grant `moderate`. */
  setLocked(locked: boolean): Promise<void> {
    return this.ask({ type: "update_room", locked });
  }

  /** Needs the grant `moderate`. */
  endForAll(reason: string | null = null): Promise<void> {
    return this.ask({ type: "end_room", ...(reason === null ? {} : { reason }) });
  }

  /** Removes a participant; `ban` also keeps them out, for a time or for good. Needs the grant `moderate`. */
  kick(participant: ParticipantId, reason: string | null = null, ban: BanTerm | null = null): Promise<void> {
    return this.ask({ type: "kick", participant, ...(reason === null ? {} : { reason }), ...(ban === null ? {} : { ban }) });
  }

  liftBan(participant: ParticipantId): Promise<void> {
    return this.ask({ type: "lift_ban", participant });
  }

  /** Lets in a guest who waits, or tells them that they stay outside; needs the grant `moderate`. */
  answerGuest(participant: ParticipantId, admit: boolean): Promise<void> {
    return this.ask({ type: admit ? "admit_guest" : "refuse_guest", participant });
  }

  /** Records everything that is published in the room; needs the grant `record`. Rejects where the edge says no. */
  startRecording(): Promise<void> {
    return this.ask({ type: "start_recording" });
  }

  stopRecording(): Promise<void> {
    return this.ask({ type: "stop_recording" });
  }
}
