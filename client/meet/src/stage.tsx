/** The people, or a screen with the people beside it. */
import type { Participant, Room, RoomSnapshot } from "@rotunda/client";
import type { SharedScreen } from "@rotunda/react";
import { TileGrid, Video, useScreens } from "@rotunda/react";
import { useRef } from "react";
import { ExpandIcon, ScreenIcon } from "./icons";
import { nameOf } from "./names";
import { useTexts } from "./preferences";
import { Tile } from "./tile";
import type { Actions } from "./use-actions";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  /** Nothing where the user may not moderate. */
  readonly actions: Actions | null;
  /** Stops sharing the user's own screen. */
  readonly onStop: () => void;
}

export function Stage({ room, snapshot, actions, onStop }: Props) {
  const texts = useTexts();
  const { self, participants } = snapshot;
  const everybody = self === null ? participants : [...participants, self];
  const screens = useScreens(everybody);
  // Of several screens the latest is shown; the user's own only where there is no other.
  const screen = screens.findLast(({ participant }) => !participant.isSelf) ?? screens[0] ?? null;
  if (screen !== null) {
    return (
      <main className="stage" aria-label={texts.people}>
        <Screen screen={screen} onStop={onStop} />
        <div className="strip" tabIndex={0} role="group" aria-label={texts.people}>
          {everybody.map((participant) => (
            <Tile key={participant.id} room={room} participant={participant} actions={actions} />
          ))}
        </div>
      </main>
    );
  }
  return (
    <main className="stage" aria-label={texts.people}>
      <TileGrid<Participant>
        items={everybody}
        keyOf={({ id }) => id}
        tile={(participant, style) => <Tile room={room} participant={participant} actions={actions} style={style} />}
      >
        {participants.length === 0 ? <p className="alone">{texts.alone}</p> : null}
      </TileGrid>
    </main>
  );
}

function Screen({ screen: { participant, track }, onStop }: { screen: SharedScreen; onStop: () => void }) {
  const texts = useTexts();
  const element = useRef<HTMLElement>(null);
  const expand = (): void => {
    const done = document.fullscreenElement === null ? element.current?.requestFullscreen() : document.exitFullscreen();
    // A browser that says no leaves the page as it is.
    done?.catch(() => undefined);
  };
  if (participant.isSelf) {
    // Showing it here too would be a mirror in a mirror.
    return (
      <section className="screen own-screen" aria-label={texts.youShare}>
        <ScreenIcon />
        <p>{texts.youShare}</p>
        <button type="button" className="primary" onClick={onStop}>
          {texts.stopScreen}
        </button>
      </section>
    );
  }
  const label = texts.screenOf(nameOf(participant, texts));
  return (
    <section ref={element} className="screen" aria-label={label} data-screen={participant.id}>
      {track.media === null ? null : <Video track={track.media} label={label} whole />}
      {track.paused ? <p className="away">{texts.videoPaused}</p> : null}
      {track.undecodable ? <p className="away">{texts.videoUndecodable}</p> : null}
      <p className="caption">
        <bdi>{label}</bdi>
      </p>
      {document.fullscreenEnabled ? (
        <button type="button" className="dots expand" aria-label={texts.fullScreen} title={texts.fullScreen} onClick={expand}>
          <ExpandIcon />
        </button>
      ) : null}
    </section>
  );
}
