/** The user's devices before the call: opened, chosen, switched off, handed over. */
import type { CameraSize, DeviceKind, Devices, RoomError } from "@rotunda/client";
import { listDevices, onDevicesChanged, openDevice, openDevices, RoomError as RoomFailure } from "@rotunda/client";
import type { RefObject } from "react";
import { useCallback, useEffect, useRef, useState } from "react";

/** A device in the lobby. */
export interface PreviewDevice {
  readonly on: boolean;
  readonly track: MediaStreamTrack | null;
}

/** What the lobby shows, and what it can do. */
export interface Preview extends Record<DeviceKind, PreviewDevice> {
  readonly devices: Devices;
  readonly error: RoomError | null;
  readonly opening: boolean;
  set(kind: DeviceKind, on: boolean): void;
  choose(kind: DeviceKind, deviceId: string): void;
  /** Gives the tracks away: whoever has them now closes them. */
  release(): Record<DeviceKind, MediaStreamTrack | false>;
}

/** What the lobby starts with. */
export interface Wanted extends Record<DeviceKind, boolean> {
  readonly cameraSize: CameraSize | null;
}

const NO_DEVICES: Devices = { microphones: [], cameras: [], speakers: [] };
type Held = Record<DeviceKind, MediaStreamTrack | null>;
type Hold = (kind: DeviceKind, track: MediaStreamTrack | null) => void;

/** Opens what is wanted while the lobby is shown. */
export function usePreview(wanted: Wanted, enabled: boolean): Preview {
  const [shown, setShown] = useState<Held>({ microphone: null, camera: null });
  const [error, setError] = useState<RoomError | null>(null);
  // The state is for drawing; this is who has to be stopped, also when the lobby is left between two drawings.
  const held = useRef<Held>({ microphone: null, camera: null });
  const size = wanted.cameraSize ?? undefined;

  const hold = useCallback<Hold>((kind, track) => {
    held.current[kind]?.stop();
    held.current = { ...held.current, [kind]: track };
    setShown(held.current);
  }, []);
  const { devices, opening } = useOpened(wanted, enabled, held, hold, setError);

  const open = (kind: DeviceKind, deviceId?: string): void => {
    openDevice(kind, deviceId, size).then(
      (track) => {
        setError(null);
        hold(kind, track);
      },
      (reason: unknown) => {
        setError(reason instanceof RoomFailure ? reason : null);
        hold(kind, null);
      },
    );
  };
  const device = (track: MediaStreamTrack | null): PreviewDevice => ({ on: track !== null, track });
  return {
    microphone: device(shown.microphone),
    camera: device(shown.camera),
    devices,
    error,
    opening,
    set: (kind, on) => (on ? open(kind) : hold(kind, null)),
    choose: open,
    release: () => {
      const { microphone, camera } = held.current;
      held.current = { microphone: null, camera: null };
      return { microphone: microphone ?? false, camera: camera ?? false };
    },
  };
}

/** Opens the devices when the lobby appears, closes them when it goes, and keeps the list of them. */
function useOpened(
  wanted: Wanted,
  enabled: boolean,
  held: RefObject<Held>,
  hold: Hold,
  setError: (error: RoomError | null) => void,
): { devices: Devices; opening: boolean } {
  const [devices, setDevices] = useState<Devices>(NO_DEVICES);
  const [opening, setOpening] = useState(false);
  const first = useRef(wanted);
  useEffect(() => {
    if (!enabled) {
      return undefined;
    }
    let gone = false;
    const refresh = (): void => void listDevices().then((all) => gone || setDevices(all));
    setOpening(true);
    void openDevices(first.current, first.current.cameraSize ?? undefined).then((opened) => {
      setOpening(false);
      if (gone) {
        opened.microphone?.stop();
        opened.camera?.stop();
        return;
      }
      hold("microphone", opened.microphone);
      hold("camera", opened.camera);
      setError(opened.error);
      refresh();
    });
    const stopListening = onDevicesChanged(refresh);
    return () => {
      gone = true;
      stopListening();
      held.current.microphone?.stop();
      held.current.camera?.stop();
      held.current = { microphone: null, camera: null };
    };
  }, [enabled, held, hold, setError]);
  return { devices, opening };
}
