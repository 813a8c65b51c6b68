import { describe, expect, test } from "vitest";
import type { Dip } from "./attempts";
import { Attempts, dipped, LATER_MS, RARELY_MS, TRY_BPS_MIN, TRY_EVERY_MS, TRY_LATER_EVERY_MS, TRY_RARELY_EVERY_MS } from "./attempts";
import { layersOf } from "./layers";

/** A camera that sends some of its layers, 20 frames a second, and a screen that sends as many if any. */
class Camera {
  readonly #attempts = new Attempts();
  readonly #frames = new Map<string, number>();
  #second = 0;
  #ofScreen = 0;
  screenFrames = 0;

  /** The dips of some seconds at an estimate. */
  run(seconds: number, sent: string, bps: (second: number) => number | null, sentLost: number | null = null): (Dip | null)[] {
    return Array.from({ length: seconds }, (_, second) => {
      [...sent].forEach((rid) => this.#frames.set(rid, (this.#frames.get(rid) ?? 0) + 20));
      const atMs = 1_000 * this.#second;
      this.#second += 1;
      this.#ofScreen += this.screenFrames;
      const ofCamera = [...this.#frames].map(([rid, frames]) => ({ rid, frames }));
      const sentStreams = [...ofCamera, { rid: null, frames: 0 }, { rid: null, frames: this.#ofScreen }];
      return this.#attempts.take({ atMs, availableBps: bps(second), sentLost, sentStreams }, layersOf(720));
    });
  }
}

const seconds = (dips: readonly (Dip | null)[]): number[] => dips.flatMap((dip, second) => (dip === null ? [] : [second]));
/** The estimate of libwebrtc on a link of 600 kbit/s: it grows until the link is full, and falls. */
const sawtooth = (second: number): number => 460_000 * 1.08 ** (second % 4);

describe("attempts at a higher send rate", () => {
  test("are made only while a layer is held back", () => {
    expect(seconds(new Camera().run(60, "qhf", () => 5_000_000))).toEqual([]);
    expect(seconds(new Camera().run(60, "", () => 500_000)), "nothing is sent").toEqual([]);
    const camera = new Camera();
    camera.run(2, "qh", () => null);
    expect(seconds(camera.run(60, "qh", () => null)), "nothing is known").toEqual([]);
  });

  test("come soon after the uplink has become slow, and rarely while it stays so", () => {
    const tried = seconds(new Camera().run(600, "qh", sawtooth)).map((second) => second * 1_000);
    const pauses = tried.slice(1).map((ms, index) => ms - (tried[index] ?? 0));
    expect(tried[0]).toBeLessThanOrEqual(TRY_EVERY_MS + 1_000);
    expect(pauses.slice(0, 5)).toEqual([TRY_EVERY_MS, TRY_EVERY_MS, TRY_EVERY_MS, TRY_EVERY_MS, TRY_EVERY_MS]);
    expect(pauses.slice(10, 15)).toEqual(Array.from({ length: 5 }, () => TRY_LATER_EVERY_MS));
    expect(pauses.slice(-5)).toEqual(Array.from({ length: 5 }, () => TRY_RARELY_EVERY_MS));
    expect(tried.filter((ms) => ms > RARELY_MS + 10_000).length).toBeLessThanOrEqual(8);
  });

  test("come at once when the estimate exceeds all before", () => {
    for (const ms of [LATER_MS + 40_000, RARELY_MS + 70_000]) {
      const camera = new Camera();
      camera.run(ms / 1_000, "qh", sawtooth);
      const tried = seconds(camera.run(10, "qh", (second) => 580_000 * 1.08 ** second));
      expect(tried[0]).toBeLessThanOrEqual(3);
      const pauses = seconds(camera.run(60, "qh", () => 500_000));
      expect(pauses.length, "and often enough to find out more").toBeGreaterThanOrEqual(5);
    }
  });

  test("are not made while a screen is sent, whose rate a dip does not lower", () => {
    const camera = new Camera();
    camera.screenFrames = 5;
    expect(seconds(camera.run(60, "qh", () => 500_000))).toEqual([]);
    camera.screenFrames = 0;
    expect(seconds(camera.run(10, "qh", () => 500_000)).length).toBeGreaterThanOrEqual(1);
  });

  test("last as long between samples in quick succession, which count for nothing", () => {
    const attempts = new Attempts();
    const sample = (atMs: number, frames: number): Dip | null => {
      const sentStreams = [{ rid: "q", frames }, { rid: "h", frames }];
      return attempts.take({ atMs, availableBps: 500_000, sentLost: null, sentStreams }, layersOf(720));
    };
    const dips = Array.from({ length: 5 }, (_, second) => sample(1_000 * second, 20 * second));
    const began = dips.findIndex((dip) => dip !== null);
    expect(began).toBe(4);
    // No frame of the sent layers since the last sample.
    for (const laterMs of [100, 250, 500, 750]) {
      expect(sample(4_000 + laterMs, 80)).toEqual(dips[4]);
    }
    expect(sample(5_000, 100)).toBeNull();
    expect(sample(5_100, 100)).toBeNull();
    expect([6, 7].map((second) => sample(1_000 * second, 20 * second) !== null)).toEqual([false, true]);
  });

  test("are not made where the burst would hurt, or where a dip would start a layer", () => {
    expect(seconds(new Camera().run(60, "q", () => TRY_BPS_MIN - 1))).toEqual([]);
    expect(seconds(new Camera().run(60, "qh", () => 500_000, 0.08))).toEqual([]);
    expect(seconds(new Camera().run(60, "qh", () => 1_100_000))).toEqual([]);
    expect(seconds(new Camera().run(60, "q", () => 400_000)), "180 lines leave room for 360").toEqual([]);
  });

  test("take from the layers that are sent, and touch no other", () => {
    const [dip = null] = new Camera().run(10, "qh", () => 500_000).filter((found) => found !== null);
    expect(dip).toEqual({ rids: ["q", "h"], bitrateBps: 200_000 });
    const layers = layersOf(720);
    const less = dipped(layers, dip);
    expect(less.map(({ maxBitrate }) => maxBitrate)).toEqual([100_000, 100_000, layers[2]?.maxBitrate]);
    expect(less.map(({ active }) => active)).toEqual([true, true, true]);
    expect(dipped(layers, null)).toEqual(layers);
    expect(dipped(layers, { rids: ["q", "h"], bitrateBps: 900_000 })[1], "and give none more").toEqual(layers[1]);
  });
});
