/** The user's devices from one visit to the next, and whether they were off before a reload. */
import type { CaptureOptions, DeviceKind } from "@rotunda/client";
import type { Captures } from "@rotunda/react";
import { useEffect } from "react";
import type { Options } from "./route";
import { recall, remember } from "./storage";

type Chosen = DeviceKind | "speaker";

export function rememberDevice(kind: Chosen, deviceId: string): void {
  remember("local", `rotunda.${kind}`, deviceId);
}

export function rememberedDevice(kind: Chosen): string | null {
  return recall("local", `rotunda.${kind}`);
}

/** A device's initial state: as the address says, but off if the user had turned it off in this tab. */
export function startOf(kind: DeviceKind, options: Options): CaptureOptions {
  const wasOff = !options.auto && recall("session", offKey(kind)) !== null;
  return {
    on: options[kind] && !wasOff,
    deviceId: rememberedDevice(kind),
    ...(kind === "camera" && options.cameraSize !== null ? { constraints: options.cameraSize } : {}),
  };
}

/** Remembers which devices the user turns off. */
export function useRememberedSwitches({ microphone, camera }: Captures): void {
  useEffect(() => {
    const stops = [microphone, camera].map((capture) =>
      capture.on("changed", ({ on, interrupted, error }) => {
        // The user did not turn off a missing or busy device.
        if (!interrupted && error === null) {
          remember("session", offKey(capture.kind), on ? null : "off");
        }
      }),
    );
    return () => stops.forEach((stop) => stop());
  }, [microphone, camera]);
}

function offKey(kind: DeviceKind): string {
  return `rotunda.${kind}.off`;
}
