/** The call: everybody's tile, the bar, and what needs to be said. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { RoomError, readToken } from "@rotunda/client";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Bar } from "./bar";
import type { Panel } from "./bar";
import { layout } from "./grid";
import { People } from "./people";
import { Settings } from "./settings";
import { Sound } from "./sound";
import { Tile } from "./tile";
import type { Notice } from "./use-room";
import { useNotices, useRoom } from "./use-room";

const GAP_PX = 10;

interface Props {
  readonly room: Room;
  /** The room's name, for the invitation. */
  readonly name: string;
  readonly token: string | null;
}

/** A call that is under way. */
export function Call({ room, name, token }: Props) {
  const snapshot = useRoom(room);
  const [notice, notify] = useNotices(room);
  const [panel, setPanel] = useState<Panel | null>(null);
  const toggle = useToggles(room, notify);
  const mayModerate = token !== null && (readToken(token)?.grants.moderate ?? false);

  const inView = snapshot.participants.map(({ id }) => id).join("\n");
  useEffect(() => {
    room.setView(inView === "" ? [] : inView.split("\n"));
  }, [room, inView]);

  const kick = (id: string): void => {
    room.kick(id).catch((error: unknown) => {
      notify({ text: error instanceof RoomError ? error.words : "That did not work.", isProblem: true });
    });
  };

  return (
    <div className="call">
      {snapshot.connection === "reconnecting" ? (
        <p className="banner" role="status">
          Connection lost. Reconnecting …
        </p>
      ) : null}
      <div className="middle">
        <Grid snapshot={snapshot} />
        {panel === "people" ? (
          <People snapshot={snapshot} onKick={mayModerate ? kick : null} onClose={() => setPanel(null)} />
        ) : null}
        {panel === "settings" ? (
          <Settings room={room} snapshot={snapshot} notify={notify} onClose={() => setPanel(null)} />
        ) : null}
      </div>
      <Sound tracks={snapshot.audioTracks} speakerId={snapshot.speakerId} />
      <p className={notice?.isProblem === true ? "notice problem" : "notice"} role="status" hidden={notice === null}>
        {notice?.text}
      </p>
      <Bar
        snapshot={snapshot}
        room={name}
        panel={panel}
        onPanel={(chosen) => setPanel(chosen === panel ? null : chosen)}
        onMicrophone={toggle.microphone}
        onCamera={toggle.camera}
        onCopied={() => notify({ text: "The link to this room is on the clipboard", isProblem: false })}
        onLeave={() => void room.leave()}
      />
    </div>
  );
}

/** Turns microphone and camera on and off, by button or by the keys M and V. */
function useToggles(room: Room, notify: (notice: Notice) => void) {
  const attempt = useCallback(
    (done: Promise<void>) => {
      done.catch((error: unknown) => {
        notify({ text: error instanceof RoomError ? error.words : "That did not work.", isProblem: true });
      });
    },
    [notify],
  );
  const microphone = useCallback(() => attempt(room.setMicrophone(!room.snapshot.microphone.on)), [room, attempt]);
  const camera = useCallback(() => attempt(room.setCamera(!room.snapshot.camera.on)), [room, attempt]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest("input, select, textarea") !== null;
      if (isTyping || event.repeat || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      const key = event.key.toLowerCase();
      if (key === "m") {
        microphone();
      } else if (key === "v") {
        camera();
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [microphone, camera]);
  return { microphone, camera };
}

function Grid({ snapshot: { self, participants } }: { snapshot: RoomSnapshot }) {
  const element = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const stage = element.current;
    if (stage === null) {
      return undefined;
    }
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) {
        setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
      }
    });
    observer.observe(stage);
    return () => observer.disconnect();
  }, []);
  const everybody = self === null ? participants : [...participants, self];
  const { columns, width, height } = layout(everybody.length, size.width, size.height, GAP_PX);
  return (
    <main className="grid" ref={element} aria-label="Participants">
      <div className="tiles" style={{ gridTemplateColumns: `repeat(${columns * 2}, ${(width - GAP_PX) / 2}px)`, gap: GAP_PX }}>
        {everybody.map((participant, index) => (
          <Tile
            key={participant.id}
            participant={participant}
            height={height}
            column={lastRowColumn(index, everybody.length, columns)}
          />
        ))}
      </div>
      {participants.length === 0 ? <p className="alone">Nobody else is here. Send them the link.</p> : null}
    </main>
  );
}

/** Where the first tile of a last row that is not full begins, so that the row stands in the middle; in half columns. */
function lastRowColumn(index: number, count: number, columns: number): number | null {
  const left = count % columns;
  return left !== 0 && index === count - left ? columns - left + 1 : null;
}
