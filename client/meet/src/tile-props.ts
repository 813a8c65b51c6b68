import type { Participant } from "@rotunda/client";
import type { Rect } from "./arrangement";

export interface TileProps {
  readonly participant: Participant;
  readonly isLarge: boolean;
  readonly isPinned: boolean;
  readonly style: Rect;
  /** Pins the tile, or unpins it. */
  readonly onPin: () => void;
}
