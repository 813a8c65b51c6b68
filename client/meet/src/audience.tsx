/** The participants of a large room who may only watch: a number, and names on request. */
import type { ParticipantId, Room } from "@rotunda/client";
import { Avatar } from "@rotunda/react";
import { useState } from "react";
import { LeaveIcon } from "./icons";
import { nameOf } from "./names";
import { usePreferences } from "./preferences";
import { errorText } from "./texts";
import type { Actions } from "./use-actions";

interface Props {
  readonly room: Room;
  readonly count: number;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
}

interface Viewer {
  readonly id: ParticipantId;
  readonly name: string;
}

interface Listed {
  readonly viewers: readonly Viewer[];
  /** For the next page; `null` on the last one, and `undefined` before the first. */
  readonly next: ParticipantId | null | undefined;
}

const NOBODY: Listed = { viewers: [], next: undefined };

export function Audience({ room, count, actions }: Props) {
  const { texts, locale } = usePreferences();
  const [{ viewers, next }, setListed] = useState(NOBODY);
  const [state, setState] = useState<"still" | "loading" | Error>("still");
  if (count === 0) {
    return null;
  }
  const load = async (): Promise<void> => {
    setState("loading");
    try {
      const page = await room.listAudience(next ?? null);
      setListed({ viewers: next === null ? page.participants : [...viewers, ...page.participants], next: page.next });
      setState("still");
    } catch (error) {
      setState(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const words = next === undefined ? texts.showNames : next === null ? texts.refreshNames : texts.moreNames;
  return (
    <section className="audience" aria-label={texts.audience}>
      <h3>{texts.viewers(count.toLocaleString(locale), count)}</h3>
      <ul className="people">
        {viewers.map((viewer) => {
          const name = nameOf(viewer, texts);
          return (
            <li key={viewer.id} data-viewer={viewer.id}>
              <span className="person">
                <Avatar id={viewer.id} name={name} locale={locale} />
                <span className="who" title={name}>
                  <bdi>{name}</bdi>
                </span>
                {actions === null ? null : (
                  <button type="button" className="plain" aria-label={texts.removeName(name)} onClick={() => actions.remove(viewer)}>
                    <LeaveIcon />
                  </button>
                )}
              </span>
            </li>
          );
        })}
      </ul>
      <button type="button" disabled={state === "loading"} onClick={() => void load()}>
        {words}
      </button>
      <p role="status">{state instanceof Error ? errorText(texts, state) : null}</p>
    </section>
  );
}
