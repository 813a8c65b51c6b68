/** Positions a menu so that all of it can be reached on any screen and at any zoom. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Place {
  readonly left: number;
  readonly top: number;
  readonly "max-height": number;
}

/** Distance to the button and to the edge of the screen. */
const GAP_PX = 8;

/**
 * Above the button if it fits there, else below, else on the side with more room; centred on the button if possible.
 */
export function placeMenu(button: Box, menu: Size, screen: Size): Place {
  const above = button.top - 2 * GAP_PX;
  const below = screen.height - button.bottom - 2 * GAP_PX;
  const isAbove = menu.height <= above || (menu.height > below && above >= below);
  // If neither side has room for more than a line or two, the menu may cover its button.
  const isCramped = Math.max(above, below) < Math.min(menu.height, screen.height / 2);
  const room = isCramped ? screen.height - 2 * GAP_PX : isAbove ? above : below;
  const height = Math.min(menu.height, room, screen.height - 2 * GAP_PX);
  const beside = isCramped ? GAP_PX : isAbove ? button.top - GAP_PX - height : button.bottom + GAP_PX;
  // The button itself may be off the screen for a moment while the page is being resized.
  const top = Math.max(GAP_PX, Math.min(beside, screen.height - height - GAP_PX));
  const middle = (button.left + button.right) / 2 - menu.width / 2;
  const left = Math.max(GAP_PX, Math.min(middle, screen.width - menu.width - GAP_PX));
  return { left, top, "max-height": height };
}
