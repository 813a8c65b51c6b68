/** A connection's quality as growing bars. */
import type { Quality } from "@rotunda/client";

const FILLED: Readonly<Record<Quality, number>> = { poor: 1, fair: 2, good: 3, excellent: 4 };

/** Four bars; `null` while too little is known. */
export function QualityBars({ quality, label }: { quality: Quality | null; label: string }) {
  if (quality === null) {
    return null;
  }
  return (
    <svg className={`quality ${quality}`} viewBox="0 0 16 12" width="16" height="12" role="img" aria-label={label}>
      {[1, 2, 3, 4].map((bar) => (
        <rect
          key={bar}
          x={(bar - 1) * 4}
          y={12 - bar * 3}
          width="3"
          height={bar * 3}
          rx="0.8"
          fill="currentColor"
          opacity={bar <= FILLED[quality] ? 1 : 0.3}
        />
      ))}
    </svg>
  );
}
