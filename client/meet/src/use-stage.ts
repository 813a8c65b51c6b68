/** The stage of a call: the user's choices, the order of the people, and the tiles that are shown. */
import type { ParticipantId, RoomSnapshot } from "@rotunda/client";
import { useScreens } from "@rotunda/react";
import type { RefCallback } from "react";
import { useCallback, useMemo, useRef, useState } from "react";
import type { Arrangement, Choice, Item, Mode, Scene, Size } from "./arrangement";
import { arrange, isSame } from "./arrangement";
import { EMPTY, seat } from "./seating";
import { recall, remember } from "./storage";

const MODE_KEY = "rotunda.view";

export interface Stage {
  readonly arrangement: Arrangement;
  /** The person who speaks, or spoke last. */
  readonly speaker: ParticipantId | null;
  readonly choice: Choice;
  /** For the element that the tiles fill. */
  readonly measure: RefCallback<Element>;
  /** Makes an item large until it is unpinned, or unpins it. */
  readonly pin: (item: Item) => void;
  readonly toggleMode: () => void;
  /** Negative towards the first page. */
  readonly turn: (pages: number) => void;
  readonly hideSelf: (hides: boolean) => void;
}

export function useStage({ self, participants, spotlight }: RoomSnapshot): Stage {
  const [choice, setChoice] = useState<Choice>(() => ({ mode: rememberedMode(), pinned: null, page: 0, hidesSelf: false }));
  const [size, measure] = useSize();
  const seating = useRef(EMPTY);
  // As on screen before this change.
  const front = useRef<{ readonly seats: number; readonly large: ParticipantId | null }>({ seats: 0, large: null });
  const screens = useScreens(self === null ? participants : [...participants, self]);
  const speaking = participants.filter((participant) => participant.speaking).map(({ id }) => id);
  seating.current = seat(seating.current, participants.map(({ id }) => id), speaking, front.current.seats, front.current.large);
  const scene: Scene = {
    self: self?.id ?? null,
    others: seating.current.order,
    screens: screens.filter(({ participant }) => !participant.isSelf).map(({ participant }) => participant.id).reverse(),
    sharesScreen: screens.some(({ participant }) => participant.isSelf),
    speaker: seating.current.speaker,
  };
  // The user's own choice comes first.
  const spotlit = participants.find(({ id }) => spotlight.includes(id));
  const pinned = choice.pinned ?? (spotlit === undefined ? null : { kind: "person", id: spotlit.id });
  const arrangement = arrange({ ...choice, pinned }, scene, size);
  const large = arrangement.tiles.find(({ item, isLarge }) => isLarge && item.kind === "person");
  front.current = { seats: arrangement.seats, large: large?.item.id ?? null };
  const { page, pages } = arrangement;
  const actions = useMemo(
    () => ({
      pin: (item: Item) => setChoice((now) => ({ ...now, pinned: isSame(now.pinned, item) ? null : item, page: 0 })),
      toggleMode: () =>
        setChoice((now) => {
          const mode = now.mode === "grid" ? "speaker" : "grid";
          remember("local", MODE_KEY, mode);
          return { ...now, mode, pinned: null, page: 0 };
        }),
      hideSelf: (hidesSelf: boolean) => setChoice((now) => ({ ...now, hidesSelf })),
    }),
    [],
  );
  // From the page on screen: the chosen one may be gone.
  const turn = useCallback(
    (by: number) => setChoice((now) => ({ ...now, page: Math.max(0, Math.min(page + by, pages - 1)) })),
    [page, pages],
  );
  return { arrangement, speaker: scene.speaker, choice, measure, turn, ...actions };
}

function rememberedMode(): Mode {
  return recall("local", MODE_KEY) === "speaker" ? "speaker" : "grid";
}

/** The size of an element, as it changes. */
function useSize(): [Size, RefCallback<Element>] {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const measure = useCallback((element: Element | null) => {
    if (element === null) {
      return undefined;
    }
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) {
        setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
      }
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [size, measure];
}
