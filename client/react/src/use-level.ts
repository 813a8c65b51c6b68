/** Measures how loud a track is. */
import { LevelMeter } from "@rotunda/client";
import { useEffect, useState } from "react";

const INTERVAL_MS = 80;
/** A bar that moves with speech: its full length is about −10 dB. */
const GAIN = 3;

/** The loudness of a microphone from 0 to 1, a dozen times a second. */
export function useLevel(track: MediaStreamTrack | null): number {
  const [level, setLevel] = useState(0);
  useEffect(() => {
    if (track === null) {
      setLevel(0);
      return undefined;
    }
    const meter = new LevelMeter(track);
    const timer = setInterval(() => setLevel(Math.min(1, meter.level * GAIN)), INTERVAL_MS);
    return () => {
      clearInterval(timer);
      meter.close();
    };
  }, [track]);
  return level;
}
