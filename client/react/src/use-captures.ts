/** The user's microphone and camera, from the lobby into the call and back. */
import type { CaptureOptions, CaptureSnapshot, DeviceKind } from "@rotunda/client";
import { Capture } from "@rotunda/client";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

export type Captures = Readonly<Record<DeviceKind, Capture>>;

/**
 * Both devices for the life of the component; what they start with is `options` of the first drawing. While `isPreviewed`
 * they are captured for the user alone. When the component goes they are let go, unless a room uses them.
 */
export function useCaptures(options: Readonly<Record<DeviceKind, CaptureOptions>>, isPreviewed: boolean): Captures {
  const [captures] = useState<Captures>(() => ({
    microphone: new Capture("microphone", options.microphone),
    camera: new Capture("camera", options.camera),
  }));
  useEffect(() => {
    if (!isPreviewed) {
      return undefined;
    }
    const both = [captures.microphone, captures.camera];
    const preview = (): void => both.forEach((capture) => capture.preview());
    const rest = (): void => both.forEach((capture) => capture.isPreviewed && capture.rest());
    preview();
    // Some browsers keep a page that was left for when the user comes back.
    window.addEventListener("pagehide", rest);
    window.addEventListener("pageshow", preview);
    return () => {
      window.removeEventListener("pagehide", rest);
      window.removeEventListener("pageshow", preview);
    };
  }, [captures, isPreviewed]);
  useEffect(
    () => () => {
      captures.microphone.rest();
      captures.camera.rest();
    },
    [captures],
  );
  return captures;
}

/** A device at this moment; the component is drawn again when it changes. */
export function useCapture(capture: Capture): CaptureSnapshot {
  const subscribe = useCallback((changed: () => void) => capture.on("changed", changed), [capture]);
  return useSyncExternalStore(subscribe, () => capture.snapshot);
}
