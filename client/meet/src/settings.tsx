/** Devices, appearance, language and keys, during the call. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { DeviceSelect, useDevices } from "@rotunda/react";
import { rememberDevice } from "./device-memory";
import { Panel } from "./panel";
import { usePreferences } from "./preferences";
import { PreferenceChoices } from "./preference-choices";
import { errorText } from "./texts";
import type { Notice } from "./use-notices";

/** A setting, and a function that changes it. */
type Flag = readonly [isOn: boolean, set: (isOn: boolean) => void];

export interface Flags {
  readonly mutedHint: Flag;
  readonly sounds: Flag;
}

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly flags: Flags;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

export function Settings({ room, snapshot: { microphone, camera, speakerId }, flags, notify, onClose }: Props) {
  const { texts } = usePreferences();
  const devices = useDevices(`${microphone.track?.id}/${camera.track?.id}`);
  const choose = (kind: "microphone" | "camera" | "speaker") => (deviceId: string) => {
    rememberDevice(kind, deviceId);
    room.switchDevice(kind, deviceId).catch((error: unknown) => {
      notify({ text: errorText(texts, error), isProblem: true });
    });
  };
  const labels = { noneLabel: texts.none, offLabel: texts.standard };
  // Some browsers do not let a page choose the speaker.
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
      <FlagBox id="muted-hint" label={texts.mutedHint} hint={texts.mutedHintExplained} flag={flags.mutedHint} />
      <FlagBox id="sounds" label={texts.sounds} flag={flags.sounds} />
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

interface FlagProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly flag: Flag;
}

function FlagBox({ id, label, hint, flag: [isOn, set] }: FlagProps) {
  return (
    <div className="flag">
      <label>
        <input type="checkbox" id={id} checked={isOn} aria-describedby={hint === undefined ? undefined : `${id}-hint`} onChange={(event) => set(event.target.checked)} />
        <span>{label}</span>
      </label>
      {hint === undefined ? null : (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
