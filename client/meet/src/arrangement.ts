/** Decides what the stage of a call shows, and where: a grid, or one large tile with the others beside it. Pure. */
import type { ParticipantId } from "@rotunda/client";
import { layout } from "@rotunda/react";

/** A person, or a person's shared screen. */
export interface Item {
  readonly kind: "person" | "screen";
  readonly id: ParticipantId;
}

export type Mode = "grid" | "speaker";

/** The user's choices. */
export interface Choice {
  readonly mode: Mode;
  /** Large until the user unpins it. */
  readonly pinned: Item | null;
  readonly page: number;
  readonly hidesSelf: boolean;
}

/** Everything that could be shown. */
export interface Scene {
  readonly self: ParticipantId | null;
  /** In the order of their tiles. */
  readonly others: readonly ParticipantId[];
  /** The screens of others, the latest first. */
  readonly screens: readonly ParticipantId[];
  readonly sharesScreen: boolean;
  readonly speaker: ParticipantId | null;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** In CSS pixels, from the top left corner of the stage. */
export interface Rect extends Size {
  readonly left: number;
  readonly top: number;
}

export interface Placed {
  readonly item: Item;
  readonly isLarge: boolean;
  readonly rect: Rect;
}

export interface Arrangement {
  /** The tiles of this page, the large one first; nothing else is on screen. */
  readonly tiles: readonly Placed[];
  /** The current page, from 0. */
  readonly page: number;
  readonly pages: number;
  /** The number of other people on the first page. */
  readonly seats: number;
}

export const GAP_PX = 10;
/** A view holds at most 24 participants. */
const TILES_MAX = 24;
/** Smaller tiles make another page. */
const TILE_WIDTH_MIN = { narrow: 140, wide: 190 } as const;
const TILE_HEIGHT_MIN = 130;
const NARROW_PX = 640;
/** The width of the tiles beside a large one. */
const SIDE = { share: 0.17, min: 110, max: 240, aspect: 16 / 10 } as const;
/** The height of the tiles below a large one on an upright screen, where at least three fit side by side. */
const BELOW = { share: 0.18, min: 72, max: 130, count: 3 } as const;
/** The height of a shared screen, for its width. */
const SCREEN_ASPECT = 10 / 16;

/** The large item; `null` for a grid. */
export function largeItem({ mode, pinned }: Choice, scene: Scene): Item | null {
  const { self, others, screens, sharesScreen, speaker } = scene;
  if (pinned !== null && isPresent(pinned, scene)) {
    return pinned;
  }
  const screen = screens[0] ?? (sharesScreen ? self : null);
  if (screen !== null) {
    return { kind: "screen", id: screen };
  }
  const person = speaker !== null && others.includes(speaker) ? speaker : others[0];
  return mode === "speaker" && person !== undefined ? { kind: "person", id: person } : null;
}

function isPresent({ kind, id }: Item, { self, others, screens }: Scene): boolean {
  return kind === "screen" ? screens.includes(id) : id === self || others.includes(id);
}

export function isSame(a: Item | null, b: Item | null): boolean {
  return a?.kind === b?.kind && a?.id === b?.id;
}

export function arrange(choice: Choice, scene: Scene, size: Size): Arrangement {
  if (size.width <= 0 || size.height <= 0) {
    return { tiles: [], page: 0, pages: 1, seats: 0 };
  }
  const large = largeItem(choice, scene);
  const { self, others, screens } = scene;
  const isSmall = (item: Item): boolean => !isSame(item, large);
  const people = others.map((id): Item => ({ kind: "person", id })).filter(isSmall);
  const shared = large === null ? [] : screens.map((id): Item => ({ kind: "screen", id })).filter(isSmall);
  // The stage is never empty.
  const isSelfShown = self !== null && !(choice.hidesSelf && others.length > 0);
  const own = isSelfShown && isSmall({ kind: "person", id: self }) ? [{ kind: "person", id: self } as const] : [];
  const rest = [...shared, ...people];
  const count = rest.length + own.length;
  const { largeRect, capacity, place } = large === null ? grid(count, size) : beside(large, count, size);
  const pages = inPages(rest, own, capacity);
  const page = Math.min(choice.page, pages.length - 1);
  const shown = pages[page] ?? [];
  const rects = place(shown.length);
  const tiles = shown.flatMap((item, index) => {
    const rect = rects[index];
    return rect === undefined ? [] : [{ item, isLarge: false, rect }];
  });
  const seats = (pages[0] ?? []).filter(({ kind, id }) => kind === "person" && id !== self).length;
  return { tiles: large === null ? tiles : [{ item: large, isLarge: true, rect: largeRect }, ...tiles], page, pages: pages.length, seats };
}

/** The user's own tile is the last one of the first page. */
function inPages(rest: readonly Item[], own: readonly Item[], capacity: number): Item[][] {
  const firsts = capacity > own.length ? capacity - own.length : capacity;
  const all = [...rest.slice(0, firsts), ...own, ...rest.slice(firsts)];
  const pages: Item[][] = [];
  for (let at = 0; at < all.length; at += capacity) {
    pages.push(all.slice(at, at + capacity));
  }
  return pages.length === 0 ? [[]] : pages;
}

interface Plan {
  readonly largeRect: Rect;
  /** The number of small tiles on a page. */
  readonly capacity: number;
  /** The places of so many small tiles. */
  readonly place: (count: number) => Rect[];
}

function grid(count: number, size: Size): Plan {
  const capacity = capacityOf(Math.min(count, TILES_MAX), size);
  return { largeRect: { left: 0, top: 0, ...size }, capacity, place: (shown) => gridRects(shown, size) };
}

/** The largest number of tiles that are large enough. */
function capacityOf(count: number, { width, height }: Size): number {
  const widthMin = TILE_WIDTH_MIN[width < NARROW_PX ? "narrow" : "wide"];
  const heightMin = Math.min(TILE_HEIGHT_MIN, height / 2);
  for (let capacity = count; capacity > 1; capacity -= 1) {
    const tile = layout(capacity, width, height, GAP_PX);
    if (tile.width >= widthMin && tile.height >= heightMin && rowsHeight(capacity, tile) <= height) {
      return capacity;
    }
  }
  return 1;
}

function rowsHeight(count: number, { columns, height }: { readonly columns: number; readonly height: number }): number {
  const rows = Math.ceil(count / columns);
  return rows * height + (rows - 1) * GAP_PX;
}

/** Centred, and so is an incomplete last row. */
function gridRects(count: number, size: Size): Rect[] {
  const { columns, width, height } = layout(count, size.width, size.height, GAP_PX);
  const top = (size.height - rowsHeight(count, { columns, height })) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = (size.width - inRow * width - (inRow - 1) * GAP_PX) / 2;
    return { left: left + (index % columns) * (width + GAP_PX), top: top + row * (height + GAP_PX), width, height };
  });
}

function beside({ kind }: Item, count: number, size: Size): Plan {
  if (count === 0) {
    return { largeRect: { left: 0, top: 0, ...size }, capacity: 1, place: () => [] };
  }
  return size.width >= size.height ? atSide(size) : kind === "screen" ? belowScreen(count, size) : below(size);
}

function atSide({ width, height }: Size): Plan {
  const tileWidth = Math.round(clamp(width * SIDE.share, SIDE.min, SIDE.max));
  const tileHeight = Math.min(height, Math.round(tileWidth / SIDE.aspect));
  const largeRect = { left: 0, top: 0, width: width - tileWidth - GAP_PX, height };
  const capacity = Math.max(1, Math.floor((height + GAP_PX) / (tileHeight + GAP_PX)));
  const left = width - tileWidth;
  const place = (count: number): Rect[] => {
    const top = (height - count * tileHeight - (count - 1) * GAP_PX) / 2;
    return Array.from({ length: count }, (_, index) => ({ left, top: top + index * (tileHeight + GAP_PX), width: tileWidth, height: tileHeight }));
  };
  return { largeRect, capacity, place };
}

function below({ width, height }: Size): Plan {
  const tileHeight = Math.round(clamp(height * BELOW.share, BELOW.min, BELOW.max));
  const third = Math.floor((width - (BELOW.count - 1) * GAP_PX) / BELOW.count);
  const tileWidth = Math.min(third, Math.round(tileHeight * SIDE.aspect));
  const largeRect = { left: 0, top: 0, width, height: height - tileHeight - GAP_PX };
  const capacity = Math.floor((width + GAP_PX) / (tileWidth + GAP_PX));
  const top = height - tileHeight;
  const place = (count: number): Rect[] => {
    const left = (width - count * tileWidth - (count - 1) * GAP_PX) / 2;
    return Array.from({ length: count }, (_, index) => ({ left: left + index * (tileWidth + GAP_PX), top, width: tileWidth, height: tileHeight }));
  };
  return { largeRect, capacity, place };
}

/** A screen on an upright screen is not high, which leaves room for a grid. */
function belowScreen(count: number, { width, height }: Size): Plan {
  const large = Math.min(Math.round(width * SCREEN_ASPECT), Math.round(height / 2));
  const top = large + GAP_PX;
  const { capacity, place } = grid(count, { width, height: height - top });
  const lowered = (shown: number): Rect[] => place(shown).map((rect) => ({ ...rect, top: rect.top + top }));
  return { largeRect: { left: 0, top: 0, width, height: large }, capacity, place: lowered };
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
