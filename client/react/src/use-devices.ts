/** The available devices, kept up to date. */
import type { Devices } from "@rotunda/client";
import { listDevices, onDevicesChanged } from "@rotunda/client";
import { useEffect, useState } from "react";

const NONE: Devices = { microphones: [], cameras: [], speakers: [] };

/**
 * All devices. The labels are empty until the user has granted access to a device. Browsers fire no event for that, so
 * pass a value that changes then as `since`, for instance the captured track.
 */
export function useDevices(since: unknown = null): Devices {
  const [devices, setDevices] = useState(NONE);
  useEffect(() => {
    let gone = false;
    const refresh = (): void => void listDevices().then((all) => gone || setDevices(all));
    refresh();
    const stop = onDevicesChanged(refresh);
    return () => {
      gone = true;
      stop();
    };
  }, [since]);
  return devices;
}
