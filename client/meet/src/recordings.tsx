/** Recordings: the badge for everybody, and a player after the call. */
import type { PlayableFile, Recording, RecordingInfo, RecordingState } from "@rotunda/client";
import { listRecordings, readToken } from "@rotunda/client";
import { useEffect, useState } from "react";
import { cleanName } from "./names";
import { usePreferences, useTexts } from "./preferences";

/** Interval of checks for a recording that is being finished. */
const LOOK_AGAIN_MS = 2_000;

function hasEnded(state: RecordingState): boolean {
  return state === "ready" || state === "empty" || state === "failed";
}

/** True while media is being recorded. */
export function isRecording(recording: RecordingInfo | null): boolean {
  return recording !== null && ["starting", "recording", "storage_away"].includes(recording.state);
}

/** Tells everybody in the room about the recording. */
export function RecordingBadge({ recording }: { readonly recording: RecordingInfo | null }) {
  const texts = useTexts();
  if (recording === null || !isRecording(recording)) {
    return null;
  }
  const held = recording.code === "disk_full" ? texts.recordingLacksSpace : texts.recordingHolds;
  const words = { starting: texts.recordingStarts, storage_away: held };
  return (
    <p className="recording-badge" role="status" data-state={recording.state}>
      <span aria-hidden="true" className="recording-dot" />
      {words[recording.state as keyof typeof words] ?? texts.recordingRuns}
    </p>
  );
}

/** The recordings of a room, for users who may see them. */
export function Recordings({ room, token }: { readonly room: string; readonly token: string }) {
  const { texts, locale } = usePreferences();
  const recordings = useRecordings(room, token);
  if (recordings.length === 0) {
    return null;
  }
  return (
    <section className="recordings" aria-label={texts.recordings}>
      <h2>{texts.recordings}</h2>
      <ul>
        {recordings.map(({ id, state, started_at, files }) => (
          <li key={id} data-recording={id} data-state={state}>
            <time dateTime={new Date(started_at).toISOString()}>
              {new Date(started_at).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" })}
            </time>
            {state === "ready" ? files.map((file) => <Player key={file.url} file={file} />) : null}
            {state === "failed" ? <p>{texts.recordingFailed}</p> : null}
            {state === "empty" ? <p>{texts.recordingEmpty}</p> : null}
            {hasEnded(state) ? null : <p>{texts.recordingFinishes}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Player({ file }: { readonly file: PlayableFile }) {
  return (
    <figure>
      <figcaption title={file.name}>
        <bdi>{cleanName(file.name) || file.participant}</bdi>
      </figcaption>
      <video src={file.url} controls preload="metadata" playsInline />
    </figure>
  );
}

function useRecordings(room: string, token: string): readonly Recording[] {
  const [recordings, setRecordings] = useState<readonly Recording[]>([]);
  useEffect(() => {
    if (readToken(token)?.grants.record !== true) {
      return undefined;
    }
    let timer: ReturnType<typeof setTimeout> | null = null;
    let isOver = false;
    const look = async (): Promise<void> => {
      // If recording is off, there is nothing to show or say after a call.
      const found = await listRecordings(location.origin, room, token).catch(() => []);
      if (isOver) {
        return;
      }
      // An unchanged recording keeps its URLs, or its player would restart.
      setRecordings((known) => found.map((one) => known.find((old) => isSame(old, one)) ?? one));
      if (found.some(({ state }) => !hasEnded(state))) {
        timer = setTimeout(() => void look(), LOOK_AGAIN_MS);
      }
    };
    void look();
    return () => {
      isOver = true;
      if (timer !== null) {
        clearTimeout(timer);
      }
    };
  }, [room, token]);
  return recordings;
}

function isSame(a: Recording, b: Recording): boolean {
  return a.id === b.id && a.state === b.state;
}
