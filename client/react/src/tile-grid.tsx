/** Tiles of one size that fill the available space, whatever its shape. */
import type { ReactNode } from "react";
import { useLayoutEffect, useRef, useState } from "react";
import { lastRowColumn, layout } from "./grid";

interface Props<Item> {
  readonly items: readonly Item[];
  readonly keyOf: (item: Item) => string;
  /** Renders one tile; the style contains its position and height. */
  readonly tile: (item: Item, style: { readonly height: number; readonly gridColumn: string }) => ReactNode;
  readonly gap?: number;
  readonly className?: string;
  readonly children?: ReactNode;
}

/** Uses the number of columns that makes the tiles largest. */
export function TileGrid<Item>({ items, keyOf, tile, gap = 10, className = "tiles", children }: Props<Item>) {
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
  const { columns, width, height } = layout(items.length, size.width, size.height, gap);
  const rows = Math.ceil(items.length / columns);
  const rowsHeight = rows * height + (rows - 1) * gap;
  return (
    <div className="grid" ref={element}>
      <div className={rowsHeight > size.height ? `${className} scrolled` : className} style={{ gridTemplateColumns: `repeat(${columns * 2}, ${(width - gap) / 2}px)`, gap }}>
        {items.map((item, index) => {
          const column = lastRowColumn(index, items.length, columns);
          return (
            <Keyed key={keyOf(item)}>{tile(item, { height, gridColumn: `${column ?? "auto"} / span 2` })}</Keyed>
          );
        })}
      </div>
      {children}
    </div>
  );
}

function Keyed({ children }: { children: ReactNode }) {
  return children;
}
