/**
 * Makes the browser try a higher send rate while its uplink holds a layer back. libwebrtc's estimate grows by 8 % per
 * second, but it sends a short burst at twice the rate when its limits rise while it sends less than it could: so the
 * layers that are sent get less for a moment. Pure; time is an argument.
 */
import type { Layer } from "./layers";

/** Less for a moment, together for these layers. */
export interface Dip {
  readonly rids: readonly string[];
  readonly bitrateBps: number;
}

/** A sample. Those that follow another too soon count for nothing. */
export interface SendRate {
  readonly atMs: number;
  /** The browser's estimate of its send rate; `null` if unavailable. */
  readonly availableBps: number | null;
  /** The worst loss of the sent streams (0 to 1). */
  readonly sentLost: number | null;
  readonly sentStreams: readonly { readonly rid: string | null; readonly frames: number }[];
}

/** On a slower uplink, the burst itself would delay audio. */
export const TRY_BPS_MIN = 350_000;
/** The share of the estimate that is sent during a dip. libwebrtc's burst needs less than 65 %. */
export const DIP_SHARE = 0.4;
/** libwebrtc sends a layer from about this share of its bitrate: what a dip leaves free must not start one. */
const NEXT_SHARE = 0.35;
const LOST_MAX = 0.05;
/** Interval of attempts at first, and on an uplink that stays slow unless its estimate exceeds all before. */
export const TRY_EVERY_MS = 3_000;
export const TRY_LATER_EVERY_MS = 10_000;
export const LATER_MS = 30_000;
/** Interval once the estimate has not exceeded all before for so long: attempts gain nothing. */
export const TRY_RARELY_EVERY_MS = 60_000;
export const RARELY_MS = 120_000;
const HIGHER = 1.02;
/** A suspicious client takes several samples in a second, between which a sent layer may have no frame. */
const SAMPLE_MS = 800;

export class Attempts {
  #frames: ReadonlyMap<string, number> = new Map();
  #otherFrames = 0;
  #sampledAtMs = -Infinity;
  #dip: Dip | null = null;
  #sinceMs: number | null = null;
  #triedAtMs = 0;
  #highestBps = 0;
  #highestAtMs = 0;

  /** Takes a sample and the layers without a dip, the lowest first; returns the dip until the next sample, if any. */
  take(rate: SendRate, layers: readonly Layer[]): Dip | null {
    if (rate.atMs - this.#sampledAtMs >= SAMPLE_MS) {
      this.#sampledAtMs = rate.atMs;
      this.#dip = this.#next(rate, layers);
    }
    return this.#dip;
  }

  #next({ atMs, availableBps, sentLost, sentStreams }: SendRate, layers: readonly Layer[]): Dip | null {
    const otherFrames = sentStreams.reduce((sum, { rid, frames }) => (rid === null ? sum + frames : sum), 0);
    // A dip assumes that nothing but the camera's layers is sent.
    const isAlone = otherFrames <= this.#otherFrames;
    this.#otherFrames = otherFrames;
    const before = this.#frames;
    this.#frames = new Map(sentStreams.flatMap(({ rid, frames }) => (rid === null ? [] : [[rid, frames]])));
    const isSent = ({ rid }: Layer): boolean => (this.#frames.get(rid) ?? 0) > (before.get(rid) ?? Infinity);
    const rids = layers.filter(isSent).map(({ rid }) => rid);
    const next = layers.slice(layers.findLastIndex(isSent) + 1).find(({ active }) => active);
    if (availableBps === null || next === undefined || rids.length === 0) {
      this.#sinceMs = null;
      return null;
    }
    if (this.#sinceMs === null) {
      this.#sinceMs = this.#triedAtMs = this.#highestAtMs = atMs;
    }
    const heldMs = atMs - this.#sinceMs;
    const isHigher = availableBps > this.#highestBps * HIGHER;
    // At first the estimate is still falling.
    this.#highestBps = heldMs < TRY_EVERY_MS ? 0 : Math.max(this.#highestBps, availableBps);
    if (isHigher) {
      this.#highestAtMs = atMs;
    }
    const isRare = atMs - this.#highestAtMs >= RARELY_MS;
    const laterMs = isRare ? TRY_RARELY_EVERY_MS : TRY_LATER_EVERY_MS;
    // Samples are late by some milliseconds.
    const isDue = atMs - this.#triedAtMs > (heldMs >= LATER_MS && !isHigher ? laterMs : TRY_EVERY_MS) - 500;
    const isQuiet = availableBps * (1 - DIP_SHARE) < next.maxBitrate * NEXT_SHARE;
    if (!isDue || !isQuiet || !isAlone || availableBps < TRY_BPS_MIN || (sentLost ?? 0) > LOST_MAX) {
      return null;
    }
    this.#triedAtMs = atMs;
    return { rids, bitrateBps: Math.round(availableBps * DIP_SHARE) };
  }
}

/** The layers during a dip, each with its share. None is turned off or on, so that the browser encodes no key frame. */
export function dipped(layers: readonly Layer[], dip: Dip | null): Layer[] {
  let leftBps = dip?.bitrateBps ?? 0;
  let left = dip?.rids.length ?? 0;
  return layers.map((layer) => {
    if (dip === null || !dip.rids.includes(layer.rid)) {
      return layer;
    }
    const maxBitrate = Math.min(layer.maxBitrate, Math.round(leftBps / left));
    [leftBps, left] = [leftBps - maxBitrate, left - 1];
    return { ...layer, maxBitrate };
  });
}
