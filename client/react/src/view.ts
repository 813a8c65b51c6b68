/** Tracks which tiles are on screen and their size: the room sends no more of a picture than its tile can show. */
import type { ParticipantId, Room } from "@rotunda/client";

/** The tiles of a grid differ by some lines; they are equals. */
const SIZE_STEP = 90;

interface Tile {
  readonly participant: ParticipantId;
  lines: number;
  isOnScreen: boolean;
}

/** Observes the tiles of a call and reports them to the room. */
export class View {
  readonly #room: Room;
  readonly #tiles = new Map<Element, Tile>();
  readonly #sizes = new ResizeObserver((entries) => this.#measured(entries));
  readonly #places = new IntersectionObserver((entries) => this.#moved(entries));
  #order: readonly ParticipantId[] = [];
  #speaker: ParticipantId | null = null;

  constructor(room: Room) {
    this.#room = room;
  }

  /** All participants who may have a tile, and the one whose camera comes first. */
  setOrder(order: readonly ParticipantId[], speaker: ParticipantId | null): void {
    this.#order = order;
    this.#speaker = speaker;
    this.#tell();
  }

  /** Observes a tile; calling the result stops that. */
  watch(element: Element, participant: ParticipantId): () => void {
    this.#tiles.set(element, { participant, lines: linesOf(element.clientHeight), isOnScreen: true });
    this.#sizes.observe(element);
    this.#places.observe(element);
    return () => {
      this.#tiles.delete(element);
      this.#sizes.unobserve(element);
      this.#places.unobserve(element);
    };
  }

  close(): void {
    this.#sizes.disconnect();
    this.#places.disconnect();
  }

  #measured(entries: readonly ResizeObserverEntry[]): void {
    for (const { target, contentRect } of entries) {
      const tile = this.#tiles.get(target);
      if (tile !== undefined) {
        tile.lines = linesOf(contentRect.height);
      }
    }
    this.#tell();
  }

  #moved(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const tile = this.#tiles.get(target);
      if (tile !== undefined) {
        tile.isOnScreen = isIntersecting;
      }
    }
    this.#tell();
  }

  /** The client delays the view until it has settled. */
  #tell(): void {
    const lines = new Map<ParticipantId, number>();
    for (const tile of this.#tiles.values()) {
      if (tile.isOnScreen && tile.lines > 0) {
        lines.set(tile.participant, Math.max(tile.lines, lines.get(tile.participant) ?? 0));
      }
    }
    this.#room.setView(mostImportantFirst(this.#order, lines, this.#speaker), Object.fromEntries(lines));
  }
}

/** The participants on screen: the speaker, then the others by the size of their tiles; equals keep their order. */
export function mostImportantFirst(
  order: readonly ParticipantId[],
  lines: ReadonlyMap<ParticipantId, number>,
  speaker: ParticipantId | null,
): ParticipantId[] {
  const size = (participant: ParticipantId): number =>
    participant === speaker ? Number.POSITIVE_INFINITY : Math.ceil((lines.get(participant) ?? 0) / SIZE_STEP);
  const onScreen = [...new Set(order)].filter((participant) => lines.has(participant));
  // Not by subtraction: two infinities have no difference.
  return onScreen.sort((a, b) => Number(size(b) > size(a)) - Number(size(a) > size(b)));
}

function linesOf(cssPixels: number): number {
  return Math.ceil(cssPixels * devicePixelRatio);
}
