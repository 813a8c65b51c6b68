/** The sound of everybody: one audio element for each slot. */
import { useCallback, useEffect, useRef, useState } from "react";

interface Props {
  readonly tracks: readonly MediaStreamTrack[];
  readonly speakerId: string | null;
  /** What the button says that appears where the browser wants a click before it plays sound. */
  readonly unblockLabel: string;
}

/** Plays all slots, and asks for a click where the browser wants one first. */
export function RoomSound({ tracks, speakerId, unblockLabel }: Props) {
  const [isBlocked, setBlocked] = useState(false);
  const elements = useRef(new Set<HTMLAudioElement>());
  const blocked = useCallback(() => setBlocked(true), []);
  const unblock = (): void => {
    setBlocked(false);
    elements.current.forEach((element) => void element.play().catch(blocked));
  };
  return (
    <>
      {tracks.map((track) => (
        <Slot key={track.id} track={track} speakerId={speakerId} all={elements.current} onBlocked={blocked} />
      ))}
      {isBlocked ? (
        <button type="button" className="primary unblock" onClick={unblock}>
          {unblockLabel}
        </button>
      ) : null}
    </>
  );
}

interface SlotProps {
  readonly track: MediaStreamTrack;
  readonly speakerId: string | null;
  readonly all: Set<HTMLAudioElement>;
  readonly onBlocked: () => void;
}

function Slot({ track, speakerId, all, onBlocked }: SlotProps) {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (audio === null) {
      return undefined;
    }
    all.add(audio);
    audio.srcObject = new MediaStream([track]);
    audio.play().catch((error: unknown) => {
      // Browsers play no sound before the user has touched the page; other interruptions pass by themselves.
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        onBlocked();
      }
    });
    return () => {
      all.delete(audio);
      audio.srcObject = null;
    };
  }, [track, all, onBlocked]);
  useEffect(() => {
    if (element.current !== null && "setSinkId" in element.current) {
      // The empty name is the default. A speaker that was unplugged a moment ago: the sound stays where it is.
      element.current.setSinkId(speakerId ?? "").catch(() => undefined);
    }
  }, [speakerId]);
  return <audio ref={element} autoPlay />;
}
