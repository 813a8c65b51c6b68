/** The user's microphone and camera, from the lobby into the call and back. */
import type { CaptureOptions, CaptureSnapshot, DeviceKind } from "@rotunda/client";
import { Capture } from "@rotunda/client";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

export type Captures = Readonly<Record<DeviceKind, Capture>>;

/**
 * Both devices for the lifetime of the component; `options` counts at the first render only. While `isPreviewed` they
 * are captured for a preview. Unmounting releases them, unless a room uses them.
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
    // Some browsers keep a left page for the user's return.
    window.addEventListener("pagehide", rest);
    window.addEventListener("pageshow", preview);
    return () => {
      window.removeEventListener("pagehide", rest);
      window.removeEventListener("pageshow", preview);
    };
  }, [captures, isPreviewed]);
  useEffect(
    () => () => {
      captures.microphone.abandon();
      captures.camera.abandon();
    },
    [captures],
  );
  return captures;
}

/** A device's current state; rerenders the component when it changes. */
export function useCapture(capture: Capture): CaptureSnapshot {
  const subscribe = useCallback((changed: () => void) => capture.on("changed", changed), [capture]);
  return useSyncExternalStore(subscribe, () => capture.snapshot);
}
