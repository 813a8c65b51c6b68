/** The choice of a speaker before the call, with a sound to try it. */
import type { Device } from "@rotunda/client";
import { DeviceSelect } from "@rotunda/react";
import { useState } from "react";
import { play } from "./chime";
import { rememberDevice, rememberedDevice } from "./device-memory";
import { VolumeIcon } from "./icons";
import { useTexts } from "./preferences";

export function SpeakerTest({ speakers }: { readonly speakers: readonly Device[] }) {
  const texts = useTexts();
  const [chosen, setChosen] = useState(() => rememberedDevice("speaker"));
  const [isPlaying, setPlaying] = useState(false);
  const [hasFailed, setFailed] = useState(false);
  const speakerId = speakers.some(({ id }) => id === chosen) ? chosen : null;
  // Some browsers do not let a page choose the speaker, but play on it.
  const canChoose = "setSinkId" in HTMLMediaElement.prototype && speakers.some(({ id }) => id !== "");
  const test = (): void => {
    if (!isPlaying) {
      setPlaying(true);
      setFailed(false);
      play("test", speakerId)
        .catch(() => setFailed(true))
        .finally(() => setPlaying(false));
    }
  };
  return (
    <div className="speaker-test">
      {canChoose ? (
        <DeviceSelect
          label={texts.speaker}
          noneLabel={texts.none}
          offLabel={texts.standard}
          devices={speakers}
          value={speakerId ?? speakers[0]?.id ?? null}
          onChoose={(id) => {
            rememberDevice("speaker", id);
            setChosen(id);
          }}
        />
      ) : null}
      <button type="button" id="test-speaker" onClick={test}>
        <VolumeIcon />
        {texts.testSpeaker}
      </button>
      <p className="heard" role="status">
        {isPlaying ? texts.testPlays : hasFailed ? texts.failed : null}
      </p>
    </div>
  );
}
