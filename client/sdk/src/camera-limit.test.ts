import { describe, expect, test } from "vitest";
import { limited } from "./camera-limit";
import { layersOf } from "./layers";
import type { CameraLimit } from "./profile";

/** The active layers of a camera with a limit, as kbit/s. */
function active(lines: number, limit: CameraLimit | null): Record<string, number> {
  const layers = limited(layersOf(lines), lines, limit).filter((layer) => layer.active);
  return Object.fromEntries(layers.map(({ rid, maxBitrate }) => [rid, maxBitrate / 1_000]));
}

const limit = (kbps: number, lines: number | null = null, framesPerSecond: number | null = null): CameraLimit => ({
  bitrateBps: kbps * 1_000,
  lines,
  framesPerSecond,
});

describe("a limit of the camera", () => {
  const all = active(720, null);

  test("is of all layers together, from the lowest", () => {
    const { q = 0, h = 0, f = 0 } = all;
    expect(active(720, limit(10_000))).toEqual(all);
    expect(active(720, limit(q + h + f / 2))).toEqual({ q, h, f: f / 2 });
    expect(active(720, limit(q + h))).toEqual({ q, h });
    expect(active(720, limit(q + h / 4))).toEqual({ q });
    expect(active(720, limit(50))).toEqual({ q: 50 });
    expect(active(720, limit(0))).toEqual({});
  });

  test("keeps no layer with more lines, but always the lowest", () => {
    expect(Object.keys(active(1_080, limit(3_000, 1_080)))).toEqual(["q", "h", "f"]);
    expect(Object.keys(active(1_080, limit(3_000, 720)))).toEqual(["q", "h"]);
    expect(Object.keys(active(1_080, limit(3_000, 360)))).toEqual(["q"]);
    expect(Object.keys(active(1_080, limit(3_000, 90)))).toEqual(["q"]);
  });

  test("is of the frame rate too, and lifts everything when it is gone", () => {
    const rates = limited(layersOf(720), 720, limit(3_000, null, 15)).map(({ maxFramerate }) => maxFramerate);
    expect(rates, "every layer's, those off included").toEqual([15, 15, 15]);
    expect(limited(layersOf(720), 720, null).every(({ maxFramerate }) => maxFramerate === undefined)).toBe(true);
  });

  test("goes to the next layer where nobody watches the lowest", () => {
    const watchedTop = layersOf(720).map((layer) => ({ ...layer, active: layer.rid === "f" }));
    const [top] = limited(watchedTop, 720, limit(300)).filter((layer) => layer.active);
    expect([top?.rid, top?.maxBitrate]).toEqual(["f", 300_000]);
  });
});
