/** The first page: create a room, or enter one by its name or link. */
import { useState } from "react";
import type { FormEvent } from "react";
import { PreferenceChoices } from "./preference-choices";
import { useTexts } from "./preferences";
import { newRoomName, readRoomName, roomPath } from "./route";
import { useTitle } from "./title";

interface Props {
  readonly go: (path: string) => void;
  /** Set if the address contains an invalid room name. */
  readonly badLink: string | null;
}

export function Home({ go, badLink }: Props) {
  const texts = useTexts();
  useTitle(null);
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);

  const create = (): void => go(roomPath(newRoomName()));
  const enter = (event: FormEvent): void => {
    event.preventDefault();
    const room = readRoomName(text);
    setWrong(room === null);
    if (room !== null) {
      go(roomPath(room));
    }
  };

  return (
    <main className="page">
      <section className="card narrow">
        <h1>Rotunda</h1>
        {badLink === null ? (
          <p className="quiet">{texts.tagline}</p>
        ) : (
          <p className="problem" role="alert">
            {texts.badLink} <bdi className="bad-link">{badLink}</bdi>
          </p>
        )}
        <button type="button" className="primary wide" onClick={create}>
          {texts.newRoom}
        </button>
        <form onSubmit={enter} noValidate>
          <label htmlFor="room">{texts.enterLabel}</label>
          <div className="row wraps">
            <input
              id="room"
              value={text}
              onChange={(event) => setText(event.target.value)}
              placeholder="daily"
              autoComplete="off"
              autoCapitalize="none"
              autoCorrect="off"
              spellCheck={false}
              aria-invalid={wrong}
              aria-describedby="room-hint"
            />
            <button type="submit">{texts.enter}</button>
          </div>
          <p id="room-hint" className={wrong ? "hint problem" : "hint"} role={wrong ? "alert" : undefined}>
            {wrong ? texts.notARoom : null} {texts.roomHint}
          </p>
        </form>
        <PreferenceChoices />
      </section>
    </main>
  );
}
