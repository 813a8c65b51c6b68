/** One participant: their picture or their initials, their name, whether they speak. */
import type { Participant, Track, TrackSource } from "@rotunda/client";
import { MicrophoneOffIcon } from "./icons";
import { nameOr } from "./use-room";
import { Video } from "./video";

interface Props {
  readonly participant: Participant;
  readonly height: number;
  /** The half column in which the tile begins, where it does not simply follow the one before. */
  readonly column: number | null;
}

/** A tile of the grid. */
export function Tile({ participant, height, column }: Props) {
  const { isSelf, speaking, connection } = participant;
  const name = isSelf ? `${nameOr(participant.name)} (you)` : nameOr(participant.name);
  const camera = trackOf(participant, "camera");
  const isSilent = trackOf(participant, "microphone")?.muted ?? true;
  const isAway = connection === "reconnecting" && !isSelf;
  const states = [isSilent ? "microphone off" : null, speaking ? "speaking" : null, isAway ? "reconnecting" : null];
  const label = [name, ...states.filter((state) => state !== null)].join(", ");
  return (
    <figure
      className={speaking && !isSilent ? "tile speaking" : "tile"}
      style={{ height, gridColumn: `${column ?? "auto"} / span 2` }}
      aria-label={label}
      data-participant={participant.id}
    >
      <Avatar id={participant.id} name={participant.name} />
      {camera !== null && camera.media !== null && !camera.muted ? (
        <Video track={camera.media} mirrored={isSelf} label={`Camera of ${name}`} />
      ) : null}
      {isAway ? <p className="away">Reconnecting …</p> : null}
      <figcaption>
        {isSilent ? <MicrophoneOffIcon /> : null}
        <span>{name}</span>
      </figcaption>
    </figure>
  );
}

/** Initials on a colour that is always the same for the same person. */
export function Avatar({ id, name }: { id: string; name: string }) {
  // The golden angle keeps the colours of similar names apart.
  const hue = ([...id].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1021, 7) * 137.5) % 360;
  return (
    <span className="avatar" style={{ backgroundColor: `hsl(${hue} 32% 42%)` }} aria-hidden="true">
      {initials(nameOr(name))}
    </span>
  );
}

/** What somebody publishes of this kind. */
export function trackOf({ tracks }: Participant, source: TrackSource): Track | null {
  return tracks.find((track) => track.source === source) ?? null;
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase();
}
