/** The user's actions in a call; failures are shown as notices. */
import type { Grants, Participant, Reaction, Room, TrackSource } from "@rotunda/client";
import { listDevices } from "@rotunda/client";
import { trackOf } from "@rotunda/react";
import { useMemo } from "react";
import { copyText } from "./clipboard";
import { inSentence } from "./names";
import { otherCamera } from "./other-camera";
import { roomPath } from "./route";
import type { Texts } from "./texts";
import { errorText } from "./texts";
import type { Notice } from "./use-notices";

/** A raid is over by then, and the address may be a school's. */
const ADDRESS_BAN_MS = 3_600_000;

export interface Actions {
  microphone(): void;
  camera(): void;
  /** Switches to the camera on the other side of the phone. */
  flipCamera(): void;
  screen(): void;
  hand(): void;
  react(reaction: Reaction): void;
  copyLink(name: string): void;
  lock(locked: boolean): void;
  pause(paused: boolean): void;
  record(start: boolean): void;
  end(): void;
  leave(): void;
  mute(participant: Participant): void;
  stopVideo(participant: Participant): void;
  /** Takes or gives grants, which decide what the participant can turn on. */
  allow(participant: Participant, grants: Partial<Grants>): void;
  /** Gives a role of the deployment. */
  setRole(participant: Participant, role: string): void;
  /** Shows a participant large to everybody; `null` ends it. */
  spotlight(participant: Participant | null): void;
  lowerHand(participant: Participant): void;
  remove(participant: Pick<Participant, "id">): void;
  /** Removes all guests at this guest's address and keeps them out for a while; `name` is shown to the user. */
  removeConnection(participant: Pick<Participant, "id">, name: string): void;
  admit(guest: string): void;
  refuse(guest: string): void;
}

/** The result is stable while the room and the language are. */
export function useActions(room: Room, texts: Texts, notify: (notice: Notice) => void): Actions {
  return useMemo(() => {
    const attempt = (done: Promise<void>, success?: string): void => {
      done.then(
        () => success !== undefined && notify({ text: success, isProblem: false }),
        (error: unknown) => notify({ text: errorText(texts, error), isProblem: true }),
      );
    };
    const mute = (participant: Participant, source: TrackSource): void => {
      const track = trackOf(participant, source);
      if (track !== null) {
        attempt(room.muteTrack(participant.id, track.id));
      }
    };
    return {
      microphone: () => attempt(room.setMicrophone(!room.snapshot.microphone.on)),
      camera: () => attempt(room.setCamera(!room.snapshot.camera.on)),
      flipCamera: () => attempt(flip(room)),
      screen: () => (room.snapshot.screen === null ? attempt(room.shareScreen()) : room.stopScreen()),
      hand: () => attempt(room.raiseHand(room.snapshot.self?.hasHandUp !== true)),
      react: (reaction) => attempt(room.react(reaction)),
      copyLink: (name) => {
        const link = new URL(roomPath(name), location.origin).href;
        // Without the clipboard, the user can still copy by hand.
        copyText(link).then(
          () => notify({ text: texts.linkCopied, isProblem: false }),
          () => window.prompt(texts.link, link),
        );
      },
      lock: (locked) => attempt(room.setLocked(locked), locked ? texts.locked : texts.unlocked),
      pause: (paused) => attempt(paused ? room.pauseCall() : room.resumeCall()),
      record: (start) => attempt(start ? room.startRecording() : room.stopRecording()),
      end: () => {
        if (window.confirm(texts.endConfirm)) {
          attempt(room.endForAll());
        }
      },
      leave: () => void room.leave(),
      mute: (participant) => mute(participant, "microphone"),
      stopVideo: (participant) => mute(participant, "camera"),
      allow: ({ id, grants }, changed) => attempt(room.updateParticipant(id, { grants: { ...grants, ...changed } })),
      setRole: ({ id }, role) => attempt(room.updateParticipant(id, { role })),
      spotlight: (participant) => attempt(room.setSpotlight(participant === null ? [] : [participant.id])),
      lowerHand: ({ id }) => attempt(room.lowerHand(id)),
      remove: ({ id }) => attempt(room.kick(id)),
      removeConnection: ({ id }, name) => {
        if (window.confirm(texts.removeConnectionConfirm(inSentence(name)))) {
          attempt(room.kick(id, null, { lasts_ms: ADDRESS_BAN_MS, address: true }));
        }
      },
      admit: (guest) => attempt(room.answerGuest(guest, true)),
      refuse: (guest) => attempt(room.answerGuest(guest, false)),
    };
  }, [room, texts, notify]);
}

async function flip(room: Room): Promise<void> {
  const other = otherCamera((await listDevices()).cameras, room.snapshot.camera.deviceId);
  if (other !== null) {
    await room.switchDevice("camera", other.id);
  }
}
