/** The people who are banned from the room, for moderators. */
import type { BanInfo, ParticipantId, Room } from "@rotunda/client";
import { Avatar } from "@rotunda/react";
import { useEffect, useRef, useState } from "react";
import { cleanName } from "./names";
import { Panel } from "./panel";
import { usePreferences } from "./preferences";
import type { Texts } from "./texts";
import { errorText } from "./texts";

interface Props {
  readonly room: Room;
  readonly onClose: () => void;
}

export function BansPanel({ room, onClose }: Props) {
  const { texts } = usePreferences();
  const { bans, problem, lift } = useBans(room, texts);
  const list = useRef<HTMLUListElement>(null);
  return (
    <Panel title={texts.bans} id="bans-panel" onClose={onClose}>
      <p role="status" className={problem === null ? "quiet" : "problem"}>
        {problem ?? (bans?.length === 0 ? texts.noBans : null)}
      </p>
      <ul className="people" ref={list} tabIndex={0} aria-label={texts.bans}>
        {(bans ?? []).map((ban) => (
          <Banned
            key={ban.participant}
            ban={ban}
            onLift={() => {
              // Its button is about to go.
              list.current?.focus();
              lift(ban.participant);
            }}
          />
        ))}
      </ul>
    </Panel>
  );
}

function useBans(room: Room, texts: Texts) {
  const [bans, setBans] = useState<readonly BanInfo[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = (before: Promise<unknown>): void => {
    before
      .then(() => room.listBans())
      .then(
        (found) => {
          setBans(found);
          setProblem(null);
        },
        (error: unknown) => setProblem(errorText(texts, error)),
      );
  };
  // Once, when the panel opens.
  useEffect(() => load(Promise.resolve()), [room]);
  return { bans, problem, lift: (participant: ParticipantId) => load(room.liftBan(participant)) };
}

function Banned({ ban: { participant, name, until, address }, onLift }: { readonly ban: BanInfo; readonly onLift: () => void }) {
  const { texts, locale } = usePreferences();
  const shown = cleanName(name) || participant;
  const end = until === null ? texts.bannedForGood : texts.bannedUntil(new Date(until).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" }));
  return (
    <li data-banned={participant}>
      <span className="person">
        <Avatar id={participant} name={shown} locale={locale} />
        <span className="who" title={shown}>
          <bdi>{shown}</bdi> <small>{address ? `${end} · ${texts.bannedConnection}` : end}</small>
        </span>
      </span>
      <span className="host-buttons">
        <button type="button" aria-label={texts.liftBanOf(shown)} onClick={onLift}>
          {texts.liftBan}
        </button>
      </span>
    </li>
  );
}
