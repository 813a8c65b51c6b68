/** Before the call: how one looks and sounds, which devices, under which name. */
import type { RoomError } from "@rotunda/client";
import { Room } from "@rotunda/client";
import { useEffect, useState } from "react";
import type { FormEvent } from "react";
import { DeviceSelect, Video, useLevel, usePreview } from "@rotunda/react";
import type { Preview } from "@rotunda/react";
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import { rememberedName } from "./identity";
import { useTexts } from "./preferences";
import type { Tracks } from "./room-page";
import type { Options } from "./route";
import { errorText } from "./texts";

/** The edge takes 128 bytes; none of these needs more than three. */
const NAME_LENGTH_MAX = 42;

interface Props {
  readonly room: string;
  readonly options: Options;
  readonly error: RoomError | null;
  readonly joining: boolean;
  readonly onJoin: (name: string, tracks: Tracks) => void;
}

/** The lobby; with `auto=1` it shows nothing but that somebody is joining. */
export function Lobby({ room, options, error, joining, onJoin }: Props) {
  const texts = useTexts();
  const [name, setName] = useState(options.name ?? rememberedName());
  const isShown = !(options.auto && joining);
  const preview = usePreview(options, isShown && !joining);

  useEffect(() => {
    if (isShown) {
      Room.warmUp();
    }
  }, [isShown]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onJoin(name.trim(), preview.release());
  };
  const problem = error ?? preview.error;

  return (
    <main className="page">
      <form className="card lobby" onSubmit={submit}>
        <header>
          <h1>{room}</h1>
          <p className="quiet">{joining ? texts.joining : texts.ready}</p>
        </header>
        {isShown ? <Stage preview={preview} joining={joining} /> : null}
        {isShown ? <Choices preview={preview} /> : null}
        {problem === null ? null : (
          <p className="problem" role="alert">
            {errorText(texts, problem)} {problem === preview.error && error === null ? texts.joinWithout : null}
          </p>
        )}
        <label htmlFor="name">{texts.yourName}</label>
        <div className="row">
          <input
            id="name"
            value={name}
            maxLength={NAME_LENGTH_MAX}
            autoComplete="name"
            placeholder={texts.namePlaceholder}
            autoFocus
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="primary" disabled={joining}>
            {joining ? texts.joining : texts.join}
          </button>
        </div>
      </form>
    </main>
  );
}

function Stage({ preview, joining }: { preview: Preview; joining: boolean }) {
  const texts = useTexts();
  const { microphone, camera, opening } = preview;
  const level = useLevel(microphone.track);
  return (
    <div className="preview">
      {camera.track === null || joining ? (
        <p className="quiet">{opening ? texts.lookingForCamera : joining ? "" : texts.cameraIsOff}</p>
      ) : (
        <Video track={camera.track} mirrored label={texts.yourCamera} />
      )}
      <div className="preview-bar">
        <button
          type="button"
          className={microphone.on ? "round" : "round off"}
          aria-label={microphone.on ? texts.mute : texts.unmute}
          onClick={() => preview.set("microphone", !microphone.on)}
        >
          {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
        </button>
        <meter className="level" min={0} max={1} value={level} aria-label={texts.loudness} />
        <button
          type="button"
          className={camera.on ? "round" : "round off"}
          aria-label={camera.on ? texts.cameraOff : texts.cameraOn}
          onClick={() => preview.set("camera", !camera.on)}
        >
          {camera.on ? <CameraIcon /> : <CameraOffIcon />}
        </button>
      </div>
    </div>
  );
}

function Choices({ preview: { devices, microphone, camera, choose } }: { preview: Preview }) {
  const texts = useTexts();
  const labels = { noneLabel: texts.none, offLabel: texts.off };
  return (
    <div className="choices">
      <DeviceSelect
        {...labels}
        label={texts.microphone}
        devices={devices.microphones}
        value={deviceOf(microphone.track)}
        onChoose={(id) => choose("microphone", id)}
      />
      <DeviceSelect
        {...labels}
        label={texts.camera}
        devices={devices.cameras}
        value={deviceOf(camera.track)}
        onChoose={(id) => choose("camera", id)}
      />
    </div>
  );
}

function deviceOf(track: MediaStreamTrack | null): string | null {
  return track?.getSettings().deviceId ?? null;
}
