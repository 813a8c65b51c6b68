/** Before the call: preview, devices, and name. */
import type { Capture, Device, DeviceKind, RoomError } from "@rotunda/client";
import { NAME_CHARS_MAX, Room } from "@rotunda/client";
import type { FormEvent, ReactNode } from "react";
import { useEffect, useState } from "react";
import type { Captures } from "@rotunda/react";
import { DeviceSelect, Video, useCapture, useDevices, useLevel } from "@rotunda/react";
import { rememberDevice } from "./device-memory";
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import type { WaitingFor } from "./identity";
import { rememberedName } from "./identity";
import { nameToSend } from "./names";
import { useTexts } from "./preferences";
import type { Options } from "./route";
import { SpeakerTest } from "./speaker-test";
import type { Texts } from "./texts";
import { deviceErrorTexts, errorText } from "./texts";
import { useRecorded } from "./use-recorded";

interface Props {
  readonly room: string;
  readonly options: Options;
  readonly captures: Captures;
  readonly error: RoomError | null;
  readonly joining: boolean;
  readonly waitingFor: WaitingFor | null;
  readonly onJoin: (name: string) => void;
}

/** The lobby; with `auto=1` it joins at once and shows only its progress. */
export function Lobby({ room, options, captures, error, joining, waitingFor, onJoin }: Props) {
  const texts = useTexts();
  const [name, setName] = useState(options.name ?? rememberedName());
  const isShown = !(options.auto && joining);
  const recorded = useRecorded(room, isShown || waitingFor !== null);

  useEffect(() => (isShown ? Room.warmUp() : undefined), [isShown]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onJoin(nameToSend(name));
  };

  return (
    <main className="page">
      <form className="card lobby" onSubmit={submit}>
        <header>
          <h1>{room}</h1>
          <p className="quiet" role="status">
            {waitingFor === null ? (joining ? texts.joining : texts.ready) : waitingText(texts, waitingFor)}
          </p>
        </header>
        {recorded ? (
          <p className="recording-badge" role="status">
            <span aria-hidden="true" className="recording-dot" />
            {texts.recordedIfJoined}
          </p>
        ) : null}
        {isShown ? <Stage captures={captures} /> : null}
        {isShown ? <Choices captures={captures} /> : null}
        {error === null ? null : (
          <p className="problem" role="alert">
            {errorText(texts, error)}
          </p>
        )}
        <label htmlFor="name">{texts.yourName}</label>
        <div className="row wraps">
          <input
            id="name"
            value={name}
            maxLength={NAME_CHARS_MAX}
            autoComplete="name"
            placeholder={texts.namePlaceholder}
            dir="auto"
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

function waitingText(texts: Texts, waitingFor: WaitingFor): string {
  return waitingFor === "place" ? texts.waitingForPlace : texts.waiting;
}

function Stage({ captures }: { captures: Captures }) {
  const texts = useTexts();
  const microphone = useCapture(captures.microphone);
  const camera = useCapture(captures.camera);
  const level = useLevel(microphone.on ? microphone.track : null);
  return (
    <div className="preview">
      {camera.on && camera.track !== null ? (
        <Video track={camera.track} mirrored label={texts.yourCamera} />
      ) : (
        <p className="quiet">{camera.opening ? texts.lookingForCamera : texts.cameraIsOff}</p>
      )}
      <div className="preview-bar">
        <Switch capture={captures.microphone} labels={[texts.mute, texts.unmute]}>
          {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
        </Switch>
        <meter className="level" min={0} max={1} value={level} aria-label={texts.loudness} />
        <Switch capture={captures.camera} labels={[texts.cameraOff, texts.cameraOn]}>
          {camera.on ? <CameraIcon /> : <CameraOffIcon />}
        </Switch>
      </div>
    </div>
  );
}

interface SwitchProps {
  readonly capture: Capture;
  /** Labels of the button while the device is on, and while it is off. */
  readonly labels: readonly [string, string];
  readonly children: ReactNode;
}

function Switch({ capture, labels: [turnOff, turnOn], children }: SwitchProps) {
  const { on } = useCapture(capture);
  // Errors are shown from the capture's `error`.
  const toggle = (): void => void capture.set(!capture.snapshot.on).catch(() => undefined);
  return (
    <button
      type="button"
      className={on ? "round" : "round off"}
      id={`lobby-${capture.kind}`}
      aria-label={on ? turnOff : turnOn}
      title={on ? turnOff : turnOn}
      onClick={toggle}
    >
      {children}
    </button>
  );
}

function Choices({ captures }: { captures: Captures }) {
  const texts = useTexts();
  const microphone = useCapture(captures.microphone);
  const camera = useCapture(captures.camera);
  const devices = useDevices(`${microphone.track?.id}/${camera.track?.id}`);
  const problems = [
    ...deviceErrorTexts(texts, [microphone.error, camera.error]),
    ...(microphone.interrupted ? [texts.interrupted.microphone] : []),
    ...(camera.interrupted ? [texts.interrupted.camera] : []),
  ];
  return (
    <>
      <div className="choices">
        <Choice capture={captures.microphone} devices={devices.microphones} />
        <Choice capture={captures.camera} devices={devices.cameras} />
      </div>
      <SpeakerTest speakers={devices.speakers} />
      {problems.length === 0 ? null : (
        <p className="problem" role="alert">
          {[...problems, texts.joinWithout].map((problem) => (
            <span key={problem}>{problem}</span>
          ))}
        </p>
      )}
    </>
  );
}

function Choice({ capture, devices }: { capture: Capture; devices: readonly Device[] }) {
  const texts = useTexts();
  const { deviceId } = useCapture(capture);
  const labels: Readonly<Record<DeviceKind, string>> = { microphone: texts.microphone, camera: texts.camera };
  return (
    <DeviceSelect
      label={labels[capture.kind]}
      noneLabel={texts.none}
      offLabel={texts.standard}
      devices={devices}
      value={devices.some(({ id }) => id === deviceId) ? deviceId : null}
      onChoose={(id) => {
        rememberDevice(capture.kind, id);
        void capture.choose(id).catch(() => undefined);
      }}
    />
  );
}
