/** A video element that shows a track. */
import { useEffect, useRef } from "react";

interface Props {
  readonly track: MediaStreamTrack;
  readonly label: string;
  /** Mirrored, as people expect to see themselves. */
  readonly mirrored?: boolean;
  /** Shows the whole picture instead of filling the space; for screens. */
  readonly whole?: boolean;
}

/** Plays no audio. */
export function Video({ track, label, mirrored = false, whole = false }: Props) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (element.current !== null) {
      element.current.srcObject = new MediaStream([track]);
    }
  }, [track]);
  return <video ref={element} className={mirrored ? "mirrored" : whole ? "whole" : undefined} autoPlay playsInline muted aria-label={label} />;
}
