/** Which devices are used, during the call. */
import type { Devices, Room, RoomSnapshot } from "@rotunda/client";
import { RoomError, listDevices, onDevicesChanged } from "@rotunda/client";
import { useEffect, useState } from "react";
import { DeviceSelect } from "./device-select";
import { CloseIcon } from "./icons";
import type { Notice } from "./use-room";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

/** The choice of devices. */
export function Settings({ room, snapshot: { microphone, camera, speakerId }, notify, onClose }: Props) {
  const [devices, setDevices] = useState<Devices | null>(null);
  useEffect(() => {
    const refresh = (): void => void listDevices().then(setDevices);
    refresh();
    return onDevicesChanged(refresh);
  }, []);
  const choose = (kind: "microphone" | "camera" | "speaker") => (deviceId: string) => {
    room.switchDevice(kind, deviceId).catch((error: unknown) => {
      notify({ text: error instanceof RoomError ? error.words : "That did not work.", isProblem: true });
    });
  };
  // Not every browser lets a page choose where sound goes.
  const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;
  return (
    <aside className="panel" aria-label="Devices">
      <header>
        <h2>Devices</h2>
        <button type="button" className="plain" aria-label="Close" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <DeviceSelect
        label="Microphone"
        devices={devices?.microphones ?? []}
        value={microphone.deviceId}
        onChoose={choose("microphone")}
      />
      <DeviceSelect label="Camera" devices={devices?.cameras ?? []} value={camera.deviceId} onChoose={choose("camera")} />
      {canChooseSpeaker ? (
        <DeviceSelect
          label="Speaker"
          devices={devices?.speakers ?? []}
          value={speakerId ?? devices?.speakers[0]?.id ?? null}
          onChoose={choose("speaker")}
        />
      ) : null}
    </aside>
  );
}
