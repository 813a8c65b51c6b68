/** The latest notices: people joining or leaving, and errors. */
import type { Room } from "@rotunda/client";
import { useRoomEvent } from "@rotunda/react";
import { useEffect, useState } from "react";
import { inSentence, nameOf } from "./names";
import type { Texts } from "./texts";
import { errorText } from "./texts";

const NOTICE_MS = 5_000;

export interface Notice {
  readonly text: string;
  readonly isProblem: boolean;
}

/** The visible notice, and a function that shows another one. */
export function useNotices(room: Room, texts: Texts): [Notice | null, (notice: Notice) => void] {
  const [notice, setNotice] = useState<Notice | null>(null);
  const tell = (text: string, isProblem = false): void => setNotice({ text, isProblem });
  const named = (person: { readonly name: string }): string => inSentence(nameOf(person, texts));
  useRoomEvent(room, "participant_joined", (person) => tell(texts.joined(named(person))));
  useRoomEvent(room, "participant_left", (person) => tell(texts.left(named(person))));
  useRoomEvent(room, "silenced", ({ isHeld }) => tell(isHeld ? texts.blocked : texts.silenced, true));
  useRoomEvent(room, "device_changed", ({ kind, label }) => tell(texts.nowUses(texts[kind], label)));
  useRoomEvent(room, "audio_only", ({ audioOnly }) => {
    // A banner covers the beginning; and switching the camera off does not make the uplink faster.
    if (!audioOnly && room.snapshot.camera.on) {
      tell(texts.audioOnlyOver);
    }
  });
  useRoomEvent(room, "error", (error) => tell(errorText(texts, error), true));
  useEffect(() => {
    if (notice === null) {
      return undefined;
    }
    const timer = setTimeout(() => setNotice(null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return [notice, setNotice];
}
