import type { CaptureSnapshot } from "@rotunda/client";
import { LevelMeter } from "@rotunda/client";
import { useEffect, useRef } from "react";
import { MutedSpeech } from "./muted-speech";

const INTERVAL_MS = 100;

/**
 * Calls `onSpeech` when the user speaks while muted. It listens to a copy of the muted track that never leaves the page,
 * and never opens a device: a microphone that was off from the beginning is not heard.
 */
export function useMutedSpeech({ on, track, interrupted }: CaptureSnapshot, isWanted: boolean, onSpeech: () => void): void {
  const newest = useRef(onSpeech);
  useEffect(() => {
    newest.current = onSpeech;
  });
  const muted = isWanted && !on && !interrupted ? track : null;
  useEffect(() => {
    if (muted === null) {
      return undefined;
    }
    const copy = muted.clone();
    copy.enabled = true;
    const meter = new LevelMeter(copy);
    const speech = new MutedSpeech();
    const timer = setInterval(() => speech.take(meter.level, performance.now()) && newest.current(), INTERVAL_MS);
    return () => {
      clearInterval(timer);
      meter.close();
      copy.stop();
    };
  }, [muted]);
}
