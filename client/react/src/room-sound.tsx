/** Everybody's audio: one audio element per slot. */
import { useCallback, useEffect, useRef, useState } from "react";

interface Props {
  readonly tracks: readonly MediaStreamTrack[];
  readonly speakerId: string | null;
  /** Label of the button that appears if the browser requires a click before it plays audio. */
  readonly unblockLabel: string;
  /** The volume of each track by its id, from 0 to 1; 1 if absent. Browsers of iOS know no volume but 0. */
  readonly volumes?: ReadonlyMap<string, number>;
}

const FULL: ReadonlyMap<string, number> = new Map();

/** Plays all slots, and shows a button if the browser requires a click first. */
export function RoomSound({ tracks, speakerId, unblockLabel, volumes = FULL }: Props) {
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
        <Slot key={track.id} track={track} volume={volumes.get(track.id) ?? 1} speakerId={speakerId} all={elements.current} onBlocked={blocked} />
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
  readonly volume: number;
  readonly speakerId: string | null;
  readonly all: Set<HTMLAudioElement>;
  readonly onBlocked: () => void;
}

function Slot({ track, volume, speakerId, all, onBlocked }: SlotProps) {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (audio === null) {
      return undefined;
    }
    all.add(audio);
    audio.srcObject = new MediaStream([track]);
    audio.play().catch((error: unknown) => {
      // Browsers play no audio before the user has touched the page; other interruptions end by themselves.
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
    if (element.current !== null) {
      element.current.volume = volume;
      element.current.muted = volume === 0;
    }
  }, [volume]);
  useEffect(() => {
    if (element.current !== null && "setSinkId" in element.current) {
      // The empty name is the default. If the speaker was unplugged a moment ago, the audio stays where it is.
      element.current.setSinkId(speakerId ?? "").catch(() => undefined);
    }
  }, [speakerId]);
  return <audio ref={element} autoPlay />;
}
