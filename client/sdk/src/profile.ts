/**
 * Profiles limit the camera based on the node's reports about the uplink. They only set an upper bound: below it the
 * browser's own estimate decides. Pure; time is an argument.
 */
import { grade } from "./quality";

/** The limit of the camera, all layers together. */
export interface CameraLimit {
  readonly bitrateBps: number;
  /** Maximum height; `null` means no limit. */
  readonly lines: number | null;
  readonly framesPerSecond: number | null;
}

/** A sample of the uplink. */
export interface UplinkLook {
  readonly atMs: number;
  readonly rttMs: number | null;
  /** The worst recent loss of any stream, reported by the node (RFC 3550 §6.4.1); `null` if unreported. */
  readonly lostPercent: number | null;
}

/** A warning about the uplink. */
export interface QualityWarning {
  readonly type: "packet_loss" | "round_trip";
  /** Percent, or milliseconds. */
  readonly value: number;
  readonly severity: "warning" | "critical";
}

export interface Verdict {
  readonly limit: CameraLimit;
  readonly warning: QualityWarning | null;
}

export type Profile = "soulseer" | "cinema" | "kaa";

interface Controller {
  readonly intervalMs: number;
  take(look: UplinkLook): Verdict;
}

/** Applies one profile; returns the changes, if any. */
export class ProfileController {
  readonly #controller: Controller;
  #atMs = -Infinity;
  #limit: CameraLimit;

  constructor(profile: Profile) {
    this.#controller = MAKERS[profile]();
    this.#limit = STARTS[profile];
  }

  get limit(): CameraLimit {
    return this.#limit;
  }

  take(look: UplinkLook): { readonly limit: CameraLimit | null; readonly warning: QualityWarning | null } {
    if (look.atMs - this.#atMs < this.#controller.intervalMs) {
      return { limit: null, warning: null };
    }
    this.#atMs = look.atMs;
    const { limit, warning } = this.#controller.take(look);
    const isNew = (["bitrateBps", "lines", "framesPerSecond"] as const).some((key) => limit[key] !== this.#limit[key]);
    this.#limit = isNew ? limit : this.#limit;
    return { limit: isNew ? limit : null, warning };
  }
}

const kbps = (bitrate: number, lines: number | null = null, framesPerSecond: number | null = null): CameraLimit => ({
  bitrateBps: bitrate * 1_000,
  lines,
  framesPerSecond,
});

/** A table of limits by the grade of the uplink. */
const SOULSEER = {
  excellent: kbps(3_000, 1_080, 30),
  good: kbps(2_000, 720, 25),
  fair: kbps(1_000, 480, 20),
  poor: kbps(500, 360, 15),
} as const;
const SOULSEER_INTERVAL_MS = 1_000;

function soulseer(): Controller {
  return {
    intervalMs: SOULSEER_INTERVAL_MS,
    take: ({ rttMs, lostPercent }) => {
      const isKnown = rttMs !== null || lostPercent !== null;
      return { limit: SOULSEER[isKnown ? grade(rttMs, lostPercent ?? 0) : "good"], warning: null };
    },
  };
}

const CINEMA = {
  intervalMs: 1_000,
  startBps: 1_000_000,
  floorBps: 200_000,
  ceilingBps: 3_000_000,
  latencyMs: 300,
  /** The number of averaged round trips. */
  samples: 5,
  /** The bitrate falls if either is exceeded. */
  high: { latency: 1.5, lostPercent: 2, factor: 0.8 },
  /** The bitrate grows below both. */
  low: { latency: 0.7, lostPercent: 0.5, factor: 1.2 },
} as const;

function cinema(): Controller {
  let samples: readonly number[] = [];
  let bitrateBps: number = CINEMA.startBps;
  return {
    intervalMs: CINEMA.intervalMs,
    take: ({ rttMs, lostPercent }) => {
      const { latencyMs, high, low, floorBps, ceilingBps } = CINEMA;
      samples = rttMs === null ? samples : [...samples, rttMs].slice(-CINEMA.samples);
      const average = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
      const lost = lostPercent ?? 0;
      if (average > high.latency * latencyMs || lost > high.lostPercent) {
        bitrateBps = Math.max(floorBps, bitrateBps * high.factor);
      } else if (average < low.latency * latencyMs && lost < low.lostPercent) {
        bitrateBps = Math.min(ceilingBps, bitrateBps * low.factor);
      }
      return { limit: { bitrateBps: Math.round(bitrateBps), lines: null, framesPerSecond: null }, warning: null };
    },
  };
}

const KAA = {
  intervalMs: 5_000,
  /** The three layers together: 2,000, 500 and 150 kbit/s. */
  ceilingBps: 2_650_000,
  floorBps: 150_000,
  warningPercent: 10,
  criticalPercent: 20,
  /** The bitrate grows again below this. */
  calmPercent: 2,
  fall: 0.7,
  growth: 1.1,
} as const;

function kaa(): Controller {
  let bitrateBps: number = KAA.ceilingBps;
  return {
    intervalMs: KAA.intervalMs,
    take: ({ lostPercent }) => {
      const lost = lostPercent ?? 0;
      const isLossy = lost > KAA.warningPercent;
      if (isLossy) {
        bitrateBps = Math.max(KAA.floorBps, bitrateBps * KAA.fall);
      } else if (lost < KAA.calmPercent) {
        bitrateBps = Math.min(KAA.ceilingBps, bitrateBps * KAA.growth);
      }
      const severity = lost > KAA.criticalPercent ? "critical" : "warning";
      const warning: QualityWarning | null = isLossy ? { type: "packet_loss", value: lost, severity } : null;
      return { limit: { bitrateBps: Math.round(bitrateBps), lines: null, framesPerSecond: null }, warning };
    },
  };
}

const MAKERS: Readonly<Record<Profile, () => Controller>> = { soulseer, cinema, kaa };

const STARTS: Readonly<Record<Profile, CameraLimit>> = {
  soulseer: SOULSEER.good,
  cinema: kbps(CINEMA.startBps / 1_000),
  kaa: kbps(KAA.ceilingBps / 1_000),
};
