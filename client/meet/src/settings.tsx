/** Devices, appearance, language and keys, during the call. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { DeviceSelect, useDevices } from "@rotunda/react";
import { rememberDevice } from "./device-memory";
import { Panel } from "./panel";
import { usePreferences } from "./preferences";
import { PreferenceChoices } from "./preference-choices";
import { errorText } from "./texts";
import type { Notice } from "./use-notices";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

export function Settings({ room, snapshot: { microphone, camera, speakerId }, notify, onClose }: Props) {
  const { texts } = usePreferences();
  const devices = useDevices(`${microphone.track?.id}/${camera.track?.id}`);
  const choose = (kind: "microphone" | "camera" | "speaker") => (deviceId: string) => {
    rememberDevice(kind, deviceId);
    room.switchDevice(kind, deviceId).catch((error: unknown) => {
      notify({ text: errorText(texts, error), isProblem: true });
    });
  };
  const labels = { noneLabel: texts.none, offLabel: texts.standard };
  // Not every browser lets a page choose where sound goes.
  const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;
  return (
    <Panel title={texts.devices} id="settings-panel" onClose={onClose}>
      <DeviceSelect
        {...labels}
        label={texts.microphone}
        devices={devices.microphones}
        value={microphone.deviceId}
        onChoose={choose("microphone")}
      />
      <DeviceSelect
        {...labels}
        label={texts.camera}
        devices={devices.cameras}
        value={camera.deviceId}
        onChoose={choose("camera")}
      />
      {canChooseSpeaker ? (
        <DeviceSelect
          {...labels}
          label={texts.speaker}
          devices={devices.speakers}
          value={speakerId ?? devices.speakers[0]?.id ?? null}
          onChoose={choose("speaker")}
        />
      ) : null}
      <PreferenceChoices />
      <section className="keys">
        <h3>{texts.keyboard}</h3>
        <dl>
          {Object.entries(texts.keys).map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key === "escape" ? "Esc" : key.toUpperCase()}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </section>
    </Panel>
  );
}
