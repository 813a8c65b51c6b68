/** A video element that shows a track. */
import { useEffect, useRef } from "react";

interface Props {
  readonly track: MediaStreamTrack;
  readonly label: string;
  /** As in a mirror: how people expect to see themselves. */
  readonly mirrored?: boolean;
  /** Shown whole rather than filling its space: for screens. */
  readonly whole?: boolean;
}

/** Shows a track without its sound. */
export function Video({ track, label, mirrored = false, whole = false }: Props) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (element.current !== null) {
      element.current.srcObject = new MediaStream([track]);
    }
  }, [track]);
  return <video ref={element} className={mirrored ? "mirrored" : whole ? "whole" : undefined} autoPlay playsInline muted aria-label={label} />;
}
