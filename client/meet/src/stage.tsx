/** The tiles of a call: a grid, or one large tile with the others beside it. */
import type { ParticipantId, Room, RoomSnapshot } from "@rotunda/client";
import type { TouchEvent } from "react";
import { useRef } from "react";
import type { Placed } from "./arrangement";
import { isSame } from "./arrangement";
import { everybodyIn } from "./everybody";
import { useTexts } from "./preferences";
import { OwnScreen, Screen } from "./screen";
import { Tile } from "./tile";
import type { Actions } from "./use-actions";
import type { Stage as StageState } from "./use-stage";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly stage: StageState;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
  /** Opens the volume of a person. */
  readonly onVolume: (participant: ParticipantId) => void;
  /** Stops sharing the user's own screen. */
  readonly onStop: () => void;
}

/** A finger that moves this far turns the page. */
const SWIPE_PX = 60;

export function Stage({ room, snapshot, stage, actions, onVolume, onStop }: Props) {
  const texts = useTexts();
  const { arrangement, choice, measure, pin, turn, hideSelf } = stage;
  const everybody = everybodyIn(snapshot);
  const shown = ({ item, isLarge, rect }: Placed) => {
    const participant = everybody.find(({ id }) => id === item.id);
    if (participant === undefined) {
      return null;
    }
    const props = { participant, isLarge, style: rect, isPinned: isSame(choice.pinned, item), onPin: () => pin(item) };
    const key = `${item.kind} ${item.id}`;
    if (item.kind === "person") {
      return <Tile key={key} room={room} actions={actions} onVolume={() => onVolume(item.id)} onHide={() => hideSelf(true)} {...props} />;
    }
    return participant.isSelf ? <OwnScreen key={key} style={rect} onStop={onStop} /> : <Screen key={key} {...props} />;
  };
  const isAlone = snapshot.participants.length === 0 && snapshot.self !== null;
  return (
    <main className="stage" aria-label={texts.people} {...useSwipe(turn)}>
      <div className="tiles" ref={measure}>
        {arrangement.tiles.map(shown)}
        {isAlone ? <p className="alone">{texts.alone}</p> : null}
      </div>
    </main>
  );
}

/** Turns pages by a finger that moves sideways. */
function useSwipe(turn: (pages: number) => void) {
  const start = useRef<{ readonly x: number; readonly y: number } | null>(null);
  const placeOf = ({ touches, changedTouches }: TouchEvent): { x: number; y: number } | null => {
    const touch = touches.item(0) ?? changedTouches.item(0);
    return touch === null || touches.length > 1 ? null : { x: touch.clientX, y: touch.clientY };
  };
  return {
    onTouchStart: (event: TouchEvent) => {
      start.current = placeOf(event);
    },
    onTouchEnd: (event: TouchEvent) => {
      const [from, to] = [start.current, placeOf(event)];
      start.current = null;
      const across = (to?.x ?? 0) - (from?.x ?? 0);
      if (from !== null && to !== null && Math.abs(across) > SWIPE_PX && Math.abs(across) > 2 * Math.abs(to.y - from.y)) {
        turn(across < 0 ? 1 : -1);
      }
    },
  };
}
