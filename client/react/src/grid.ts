/** Computes the largest tile size at which all tiles fit. */

/** Smaller tiles have no room for a name and a menu, so the grid scrolls instead. */
const TILE_WIDTH_MIN = 124;
/** A tile is at most as wide as a camera's picture. */
const ASPECT_MAX = 16 / 9;
/** A tile is at least this wide on a landscape screen; on a portrait screen, a face fills a portrait tile well. */
const ASPECT_MIN_LYING = 4 / 3;
const ASPECT_MIN_UPRIGHT = 0.8;

export interface Layout {
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

/** The number of columns that makes the tiles largest, while they are large enough. */
export function layout(count: number, width: number, height: number, gap: number): Layout {
  const aspectMin = width > height ? ASPECT_MIN_LYING : ASPECT_MIN_UPRIGHT;
  let best: Layout = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const across = Math.max(0, (width - gap * (columns - 1)) / columns);
    const down = Math.max(0, (height - gap * (rows - 1)) / rows);
    const tileWidth = Math.floor(Math.min(across, down * ASPECT_MAX));
    const tileHeight = Math.floor(Math.min(down, tileWidth / aspectMin));
    if (tileWidth * tileHeight > best.width * best.height) {
      best = { columns, width: tileWidth, height: tileHeight };
    }
  }
  return best.width < TILE_WIDTH_MIN && width >= TILE_WIDTH_MIN ? scrolled(width, gap) : best;
}

/** As many columns as fit, with any number of rows. */
function scrolled(width: number, gap: number): Layout {
  const columns = Math.floor((width + gap) / (TILE_WIDTH_MIN + gap));
  const across = Math.floor((width - gap * (columns - 1)) / columns);
  return { columns, width: across, height: Math.floor(across / ASPECT_MAX) };
}

/** Centres an incomplete last row: the start column of its first tile, counted in half columns. */
export function lastRowColumn(index: number, count: number, columns: number): number | null {
  const left = count % columns;
  return left !== 0 && index === count - left ? columns - left + 1 : null;
}
