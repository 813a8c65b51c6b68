/** Fits a camera's layers to a limit. Pure. */
import type { Layer } from "./layers";
import type { CameraLimit } from "./profile";

/** A layer below this share of its bitrate adds nothing to the smaller ones. */
const SHARE_MIN = 0.4;

/**
 * The layers under a common limit: the lowest is served first, the remainder goes to the next. `lines` is the height of
 * the capture.
 */
export function limited(layers: readonly Layer[], lines: number | undefined, limit: CameraLimit | null): Layer[] {
  if (limit === null) {
    return [...layers];
  }
  let leftBps = limit.bitrateBps;
  return layers.map((layer, index) => {
    const isSmallEnough = index === 0 || limit.lines === null || lines === undefined || lines / layer.scaleResolutionDownBy <= limit.lines;
    const isLowest = layers.slice(0, index).every(({ active }) => !active);
    const hasEnough = leftBps > 0 && (isLowest || leftBps >= layer.maxBitrate * SHARE_MIN);
    const active = layer.active && isSmallEnough && hasEnough;
    const maxBitrate = active ? Math.min(layer.maxBitrate, leftBps) : layer.maxBitrate;
    leftBps -= active ? maxBitrate : 0;
    return { ...layer, active, maxBitrate, ...(limit.framesPerSecond === null ? {} : { maxFramerate: limit.framesPerSecond }) };
  });
}
