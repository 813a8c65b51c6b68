import { expect, test } from "vitest";
import type { Box, Size } from "./menu-place";
import { placeMenu } from "./menu-place";

const box = (left: number, top: number, size = 40): Box => ({ left, top, right: left + size, bottom: top + size });

test.each<[string, Box, Size, Size]>([
  ["the bar of a desk", box(700, 740), { width: 240, height: 330 }, { width: 1280, height: 800 }],
  ["the bar of a phone", box(230, 600), { width: 240, height: 330 }, { width: 320, height: 640 }],
  ["the bar at 400 % zoom", box(230, 200), { width: 240, height: 330 }, { width: 320, height: 256 }],
  ["the bar of a phone on its side at 400 % zoom", box(120, 100), { width: 240, height: 330 }, { width: 240, height: 150 }],
  ["a button that is still where a larger screen had it", box(1900, 2000), { width: 240, height: 330 }, { width: 320, height: 256 }],
  ["a button that is above the screen", box(100, -700), { width: 240, height: 130 }, { width: 320, height: 568 }],
  ["a tile at the top right", box(1240, 10, 30), { width: 180, height: 130 }, { width: 1280, height: 800 }],
  ["a tile at the bottom left", box(10, 760, 30), { width: 180, height: 130 }, { width: 1280, height: 800 }],
])("a menu of %s lies on the screen, and is at most scrolled", (_, button, menu, screen) => {
  const { left, top, "max-height": maxHeight } = placeMenu(button, menu, screen);
  expect(left).toBeGreaterThanOrEqual(0);
  expect(top).toBeGreaterThanOrEqual(0);
  expect(top + maxHeight).toBeLessThanOrEqual(screen.height);
  expect(left + Math.min(menu.width, screen.width - 16)).toBeLessThanOrEqual(screen.width);
  expect(maxHeight).toBeGreaterThanOrEqual(Math.min(menu.height, screen.height / 2));
});

test("it is above its button where it fits", () => {
  expect(placeMenu(box(600, 740), { width: 240, height: 330 }, { width: 1280, height: 800 })).toEqual({ left: 500, top: 402, "max-height": 330 });
});
