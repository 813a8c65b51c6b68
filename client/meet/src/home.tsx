/** The first page: make up a room, or enter one by its name or link. */
import { useState } from "react";
import type { FormEvent } from "react";
import { rememberHost } from "./identity";
import { newRoomName, readRoomName, roomPath } from "./route";

/** Two ways into a room. */
export function Home({ go }: { go: (path: string) => void }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);

  const create = (): void => {
    const room = newRoomName();
    rememberHost(room);
    go(roomPath(room));
  };
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
        <p className="quiet">Talk face to face, from the browser. Make a room and send its link to whoever you like.</p>
        <button type="button" className="primary wide" onClick={create}>
          New room
        </button>
        <form onSubmit={enter} noValidate>
          <label htmlFor="room">Or enter one by its name or link</label>
          <div className="row">
            <input
              id="room"
              value={text}
              onChange={(event) => setText(event.target.value)}
              placeholder="daily"
              autoComplete="off"
              spellCheck={false}
              aria-invalid={wrong}
              aria-describedby="room-hint"
            />
            <button type="submit">Enter</button>
          </div>
          <p id="room-hint" className={wrong ? "hint problem" : "hint"} role={wrong ? "alert" : undefined}>
            Letters, digits, hyphens and underscores; at most 64 of them.
          </p>
        </form>
      </section>
    </main>
  );
}
