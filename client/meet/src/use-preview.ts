/** The user's devices before the call: opened, chosen, switched off, handed over. */
import type { DeviceKind, Devices, RoomError } from "@rotunda/client";
import { listDevices, onDevicesChanged, openDevice, openDevices, RoomError as RoomFailure } from "@rotunda/client";
import { useCallback, useEffect, useRef, useState } from "react";

/** A device in the lobby. */
export interface PreviewDevice {
  readonly on: boolean;
  readonly track: MediaStreamTrack | null;
}

/** What the lobby shows, and what it can do. */
export interface Preview {
  readonly microphone: PreviewDevice;
  readonly camera: PreviewDevice;
  readonly devices: Devices;
  readonly error: RoomError | null;
  readonly opening: boolean;
  set(kind: DeviceKind, on: boolean): void;
  choose(kind: DeviceKind, deviceId: string): void;
  /** Gives the tracks away: whoever has them now closes them. */
  release(): Record<DeviceKind, MediaStreamTrack | false>;
}

const NO_DEVICES: Devices = { microphones: [], cameras: [], speakers: [] };

/** Opens what is wanted while the lobby is shown. */
export function usePreview(wanted: Record<DeviceKind, boolean>, enabled: boolean): Preview {
  const [microphone, setMicrophone] = useState<PreviewDevice>({ on: wanted.microphone, track: null });
  const [camera, setCamera] = useState<PreviewDevice>({ on: wanted.camera, track: null });
  const [devices, setDevices] = useState<Devices>(NO_DEVICES);
  const [error, setError] = useState<RoomError | null>(null);
  const [opening, setOpening] = useState(false);
  const held = useRef<Record<DeviceKind, MediaStreamTrack | null>>({ microphone: null, camera: null });
  const first = useRef(wanted);

  const hold = useCallback((kind: DeviceKind, track: MediaStreamTrack | null, on: boolean) => {
    held.current[kind]?.stop();
    held.current[kind] = track;
    (kind === "microphone" ? setMicrophone : setCamera)({ on, track });
  }, []);

  useEffect(() => {
    if (!enabled) {
      return undefined;
    }
    let gone = false;
    const refresh = (): void => void listDevices().then((all) => gone || setDevices(all));
    setOpening(true);
    void openDevices(first.current).then((opened) => {
      setOpening(false);
      if (gone) {
        opened.microphone?.stop();
        opened.camera?.stop();
        return;
      }
      hold("microphone", opened.microphone, opened.microphone !== null);
      hold("camera", opened.camera, opened.camera !== null);
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
  }, [enabled, hold]);

  const open = useCallback(
    (kind: DeviceKind, deviceId?: string) => {
      openDevice(kind, deviceId).then(
        (track) => {
          setError(null);
          hold(kind, track, true);
        },
        (reason: unknown) => {
          setError(reason instanceof RoomFailure ? reason : null);
          hold(kind, null, false);
        },
      );
    },
    [hold],
  );

  return {
    microphone,
    camera,
    devices,
    error,
    opening,
    set: (kind, on) => (on ? open(kind) : hold(kind, null, false)),
    choose: open,
    release: () => {
      const { microphone: sound, camera: pictures } = held.current;
      held.current = { microphone: null, camera: null };
      return { microphone: sound ?? false, camera: pictures ?? false };
    },
  };
}
