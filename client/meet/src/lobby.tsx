/** Before the call: how one looks and sounds, which devices, under which name. */
import type { RoomError } from "@rotunda/client";
import { Room } from "@rotunda/client";
import { useEffect, useState } from "react";
import type { FormEvent } from "react";
import { DeviceSelect } from "./device-select";
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import { rememberedName } from "./identity";
import type { Tracks } from "./room-page";
import type { Options } from "./route";
import { useLevel } from "./use-level";
import type { Preview } from "./use-preview";
import { usePreview } from "./use-preview";
import { Video } from "./video";

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
          <p className="quiet">{joining ? "Joining …" : "Ready to join?"}</p>
        </header>
        {isShown ? <Stage preview={preview} joining={joining} /> : null}
        {isShown ? <Choices preview={preview} /> : null}
        {problem === null ? null : (
          <p className="problem" role="alert">
            {problem.words} {problem === preview.error && error === null ? "You can join without." : null}
          </p>
        )}
        <label htmlFor="name">Your name</label>
        <div className="row">
          <input
            id="name"
            value={name}
            maxLength={NAME_LENGTH_MAX}
            autoComplete="name"
            placeholder="Ada"
            autoFocus
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="primary" disabled={joining}>
            {joining ? "Joining …" : "Join"}
          </button>
        </div>
      </form>
    </main>
  );
}

function Stage({ preview, joining }: { preview: Preview; joining: boolean }) {
  const { microphone, camera, opening } = preview;
  const level = useLevel(microphone.track);
  return (
    <div className="preview">
      {camera.track === null || joining ? (
        <p className="quiet">{opening ? "Looking for your camera …" : joining ? "" : "Your camera is off"}</p>
      ) : (
        <Video track={camera.track} mirrored label="Your camera" />
      )}
      <div className="preview-bar">
        <button
          type="button"
          className={microphone.on ? "round" : "round off"}
          aria-pressed={!microphone.on}
          aria-label={microphone.on ? "Turn the microphone off" : "Turn the microphone on"}
          onClick={() => preview.set("microphone", !microphone.on)}
        >
          {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
        </button>
        <meter className="level" min={0} max={1} value={level} aria-label="Loudness of your microphone" />
        <button
          type="button"
          className={camera.on ? "round" : "round off"}
          aria-pressed={!camera.on}
          aria-label={camera.on ? "Turn the camera off" : "Turn the camera on"}
          onClick={() => preview.set("camera", !camera.on)}
        >
          {camera.on ? <CameraIcon /> : <CameraOffIcon />}
        </button>
      </div>
    </div>
  );
}

function Choices({ preview: { devices, microphone, camera, choose } }: { preview: Preview }) {
  return (
    <div className="choices">
      <DeviceSelect
        label="Microphone"
        devices={devices.microphones}
        value={deviceOf(microphone.track)}
        onChoose={(id) => choose("microphone", id)}
      />
      <DeviceSelect
        label="Camera"
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
