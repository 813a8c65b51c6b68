/** The user's microphone and camera, from the lobby into the call and back. */
import type { CaptureOptions, CaptureSnapshot, DeviceKind } from "@rotunda/client";
import { Capture } from "@rotunda/client";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

export type Captures = Readonly<Record<DeviceKind, Capture>>;

/**
 * Both devices for the lifetime of the component; `options` counts at the first render only. When `isPreviewed` becomes
 * true they are captured for a preview, until a room uses them. Unmounting releases them, unless a room uses them.
 */
export function useCaptures(options: Readonly<Record<DeviceKind, CaptureOptions>>, isPreviewed: boolean): Captures {
  const [captures] = useState<Captures>(() => ({
    microphone: new Capture("microphone", options.microphone),
    camera: new Capture("camera", options.camera),
  }));
  useEffect(() => {
    if (isPreviewed) {
      captures.microphone.preview();
      captures.camera.preview();
    }
  }, [captures, isPreviewed]);
  useEffect(() => {
    let resting: readonly Capture[] = [];
    // Some browsers keep a left page for the user's return. A room looks after the devices that it uses.
    const rest = (): void => {
      resting = [captures.microphone, captures.camera].filter((capture) => capture.isPreviewed);
      resting.forEach((capture) => capture.rest());
    };
    const preview = (): void => {
      resting.forEach((capture) => capture.preview());
      resting = [];
    };
    window.addEventListener("pagehide", rest);
    window.addEventListener("pageshow", preview);
    return () => {
      window.removeEventListener("pagehide", rest);
      window.removeEventListener("pageshow", preview);
    };
  }, [captures]);
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
