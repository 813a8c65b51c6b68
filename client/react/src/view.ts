/** Tracks which tiles are on screen and their size: the room sends no more of a picture than its tile can show. */
import type { ParticipantId, Room } from "@rotunda/client";

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

  constructor(room: Room) {
    this.#room = room;
  }

  /** All participants who may have a tile, most important first. */
  setOrder(order: readonly ParticipantId[]): void {
    this.#order = order;
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
    const onScreen = this.#order.filter((participant) => lines.has(participant));
    this.#room.setView(onScreen, Object.fromEntries(lines));
  }
}

function linesOf(cssPixels: number): number {
  return Math.ceil(cssPixels * devicePixelRatio);
}
