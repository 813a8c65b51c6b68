/** A participant's connection: bars, and on request the measurements and the reason for a small picture. */
import type { Limit, Participant, ParticipantStats, Room, TrackStats } from "@rotunda/client";
import { QualityBars, trackOf, useStats } from "@rotunda/react";
import type { KeyboardEvent } from "react";
import { useId, useRef, useState } from "react";
import { nameOf } from "./names";
import { usePreferences } from "./preferences";
import type { Row } from "./rows";
import { Rows } from "./rows";
import type { Texts } from "./texts";
import { bitrate, milliseconds, percent } from "./units";
import { useOutside, usePlaced } from "./use-overlay";

interface Props {
  readonly room: Room;
  readonly participant: Participant;
}

/** A button that opens the details; `null` while too little is known. */
export function ConnectionDetails({ room, participant }: Props) {
  const { texts } = usePreferences();
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLSpanElement>(null);
  const id = useId();
  useOutside(root, isOpen, () => setOpen(false));
  const { quality } = participant;
  if (quality === null) {
    return null;
  }
  const label = texts.connectionOf(nameOf(participant, texts), texts.quality[quality]);
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      setOpen(false);
      root.current?.querySelector("button")?.focus();
    }
  };
  return (
    <span className="menu-root" ref={root} onKeyDown={pressed}>
      <button
        type="button"
        className="bars"
        aria-label={label}
        title={label}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <QualityBars quality={quality} label={texts.quality[quality]} />
      </button>
      {isOpen ? <Details id={id} label={label} room={room} participant={participant} /> : null}
    </span>
  );
}

function Details({ id, label, room, participant }: Props & { readonly id: string; readonly label: string }) {
  const { texts, locale } = usePreferences();
  const element = useRef<HTMLDivElement>(null);
  const stats = useStats(room, participant.id);
  const limit = trackOf(participant, "screen")?.limit ?? trackOf(participant, "camera")?.limit ?? null;
  const rows = rowsOf(stats, texts, locale);
  // Screen readers read it once as a whole; later samples change it silently.
  usePlaced(element, (details) => details.focus(), [limit !== null, ...rows.map(([name]) => name)].join());
  return (
    <div className="menu details" id={id} ref={element} role="group" aria-label={label} tabIndex={-1}>
      <strong>{label}</strong>
      {limit === null ? null : <p data-limit={limit.givenBps === null ? "paused" : "smaller"}>{reasonOf(limit, texts, locale)}</p>}
      <Rows rows={rows} />
      <p className="hint">{participant.isSelf ? texts.measured.ofSelf : texts.measured.ofOthers}</p>
    </div>
  );
}

/** The details, most wanted first. */
function rowsOf(stats: ParticipantStats | null, texts: Texts, locale: string): Row[] {
  const { measured } = texts;
  const tracks = stats?.tracks ?? [];
  const picture = tracks.find(({ source }) => source === "screen") ?? tracks.find(({ source }) => source === "camera");
  const isOfVideo = ({ source }: TrackStats): boolean => source === "camera" || source === "screen";
  const sum = (of: readonly TrackStats[], value: (track: TrackStats) => number): number => of.reduce((total, track) => total + value(track), 0);
  const rate = (of: readonly TrackStats[]): string => bitrate(sum(of, ({ bitrateBps }) => bitrateBps), locale);
  const [video, sound] = [tracks.filter(isOfVideo), tracks.filter((track) => !isOfVideo(track))];
  const loss = Math.max(0, ...tracks.map(({ lossPercent }) => lossPercent)) / 100;
  const jitter = Math.max(0, ...tracks.map(({ jitterMs }) => jitterMs ?? 0));
  const rows: (Row | null)[] = [
    picture === undefined || picture.lines === null
      ? null
      : ["picture", measured.picture, measured.size(picture.width ?? 0, picture.lines, Math.round(picture.framesPerSecond ?? 0))],
    video.length === 0 ? null : ["video", measured.video, rate(video)],
    sound.length === 0 ? null : ["sound", measured.sound, rate(sound)],
    tracks.length === 0 ? null : ["loss", measured.loss, percent(loss, locale)],
    tracks.length === 0 ? null : ["jitter", measured.jitter, milliseconds(jitter, locale)],
    picture === undefined || picture.layer === null ? null : ["layer", measured.layer, picture.layer],
    video.length === 0 ? null : ["freezes", measured.freezes, String(sum(video, ({ freezes }) => freezes))],
    tracks.length === 0 ? null : ["requests", measured.requests, measured.requested(sum(tracks, ({ nacks }) => nacks), sum(tracks, ({ plis }) => plis))],
    stats?.roundTripMs == null ? null : ["roundTrip", measured.roundTrip, milliseconds(stats.roundTripMs, locale)],
  ];
  return rows.filter((row) => row !== null);
}

/** The reason the media node sends less of a picture than its tile could show. */
function reasonOf({ estimateBps, wantedBps, givenBps }: Limit, texts: Texts, locale: string): string {
  const [estimate, wanted] = [bitrate(estimateBps, locale), bitrate(wantedBps, locale)];
  return givenBps === null ? texts.limit.paused(estimate, wanted) : texts.limit.smaller(estimate, wanted, bitrate(givenBps, locale));
}
