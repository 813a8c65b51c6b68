/** The measurements of the call, updated every second, and a copy of them for a report. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { useRoomEvent } from "@rotunda/react";
import { useCallback, useEffect, useState } from "react";
import { copyText } from "./clipboard";
import type { Entry, Path, PersonReport, Report, TrackReport } from "./diagnostics";
import { asJson, report } from "./diagnostics";
import { everybodyIn } from "./everybody";
import { CopyIcon } from "./icons";
import { Name } from "./name";
import { nameOf } from "./names";
import { Panel } from "./panel";
import { usePreferences } from "./preferences";
import { Rows } from "./rows";
import type { Texts } from "./texts";
import { bitrate, milliseconds, percent } from "./units";
import type { Notice } from "./use-notices";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

export function DiagnosticsPanel({ room, snapshot, notify, onClose }: Props) {
  const { texts, locale } = usePreferences();
  const current = useReport(room);
  const copy = (): void => {
    const json = current === null ? "" : asJson(current, { at: new Date(), browser: navigator.userAgent, timings: room.timings });
    copyText(json).then(
      () => notify({ text: texts.diagnosticsCopied, isProblem: false }),
      () => notify({ text: texts.failed, isProblem: true }),
    );
  };
  return (
    <Panel title={texts.diagnostics} id="diagnostics-panel" onClose={onClose}>
      {/* Above the rows, whose number changes. */}
      <button type="button" id="copy-diagnostics" className="with-icon" disabled={current === null} onClick={copy}>
        <CopyIcon />
        {texts.copyDiagnostics}
      </button>
      <p className="hint">{texts.diagnosticsHint}</p>
      {current === null ? null : <PathRows path={current.path} />}
      {(current?.people ?? []).map((person) => {
        const participant = everybodyIn(snapshot).find(({ id }) => id === person.id) ?? { name: "" };
        const name = nameOf(participant, texts);
        return <PersonRows key={person.id} person={person} name={name} isSelf={person.id === snapshot.self?.id} texts={texts} locale={locale} />;
      })}
    </Panel>
  );
}

/** Renewed with the room's statistics. */
function useReport(room: Room): Report | null {
  const [current, setCurrent] = useState<Report | null>(null);
  const refresh = useCallback(async () => {
    const entries: Entry[] = [];
    // The connection may be closed in the meantime.
    const stats = await room.peerConnection?.getStats().catch(() => null);
    stats?.forEach((entry: Entry) => entries.push(entry));
    setCurrent(report({ entries, participants: everybodyIn(room.snapshot), stats: room.stats }));
  }, [room]);
  useEffect(() => void refresh(), [refresh]);
  useRoomEvent(room, "stats", () => void refresh());
  return current;
}

function PathRows({ path }: { readonly path: Path }) {
  const { texts, locale } = usePreferences();
  const { measured, path: words } = texts;
  const rows: readonly (readonly [name: string, term: string, value: string | null])[] = [
    ["roundTrip", measured.roundTrip, path.roundTripMs === null ? null : milliseconds(path.roundTripMs, locale)],
    ["uplink", words.uplink, path.uplinkBps === null ? null : bitrate(path.uplinkBps, locale)],
    ["way", words.way, path.local === null ? null : [path.local, path.remote, path.protocol?.toUpperCase()].filter((part) => part != null).join(" · ")],
    ["node", words.node, path.node],
  ];
  return <Rows className="rows" rows={rows.flatMap(([name, term, value]) => (value === null ? [] : [[name, term, value] as const]))} />;
}

interface PersonProps {
  readonly person: PersonReport;
  readonly name: string;
  readonly isSelf: boolean;
  readonly texts: Texts;
  readonly locale: string;
}

function PersonRows({ person, name, isSelf, texts, locale }: PersonProps) {
  return (
    <section className="diagnosed" aria-label={name} data-diagnosed={person.id}>
      <h3 title={name}>
        <Name name={name} isSelf={isSelf} />
      </h3>
      <Rows className="rows" rows={person.tracks.map((track) => [track.source, texts.sources[track.source], trackWords(track, texts, locale)])} />
    </section>
  );
}

function trackWords({ muted, paused, codec, stats }: TrackReport, texts: Texts, locale: string): string {
  if (muted || stats === null) {
    return muted ? texts.trackOff : paused ? texts.states.videoPaused : texts.trackIdle;
  }
  const { width, lines, framesPerSecond, layer, bitrateBps, lossPercent, jitterMs } = stats;
  const size = width === null || lines === null ? null : texts.measured.size(width, lines, Math.round(framesPerSecond ?? 0));
  const parts = [
    codec,
    size,
    layer === null ? null : texts.layer(layer),
    bitrate(bitrateBps, locale),
    texts.lossOf(percent(lossPercent / 100, locale)),
    jitterMs === null ? null : texts.jitterOf(milliseconds(jitterMs, locale)),
  ];
  return parts.filter((part) => part !== null).join(" · ");
}
