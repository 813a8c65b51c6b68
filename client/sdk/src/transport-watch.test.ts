import { describe, expect, test } from "vitest";
import type { TransportSample } from "./transport-watch";
import { QUIET_MS, QUIET_MS_MAX, SUSPECT_QUIET_MS, TransportWatch } from "./transport-watch";

const STEP_MS = 250;

/** Growth per quarter of a second. */
interface Rates {
  readonly heard: number;
  readonly media: number;
  readonly heardFromNode: number;
  readonly sent: number;
  readonly stunRequests: number;
  readonly stunReplies: number;
  readonly flows: number;
  readonly disconnected: boolean;
}

const TALKING: Rates = { heard: 30, media: 30, heardFromNode: 1, sent: 30, stunRequests: 0, stunReplies: 0, flows: 2, disconnected: false };
const SILENCE: Rates = { heard: 0, media: 0, heardFromNode: 0, sent: 0, stunRequests: 0, stunReplies: 0, flows: 0, disconnected: false };
const ANSWERED: Rates = { ...SILENCE, stunRequests: 1, stunReplies: 1, heard: 1 };

describe("a transport", () => {
  const cases: [string, Rates, Rates, number | null][] = [
    ["whose node stops reporting while we send dies", TALKING, { ...SILENCE, sent: 30, flows: 1 }, QUIET_MS],
    ["on which two people fall silent at once dies", { ...TALKING, sent: 0 }, { ...SILENCE, flows: 2 }, QUIET_MS],
    ["whose STUN requests are not answered dies", ANSWERED, { ...SILENCE, stunRequests: 1 }, QUIET_MS],
    ["on which one of two falls silent lives", { ...TALKING, sent: 0 }, { ...SILENCE, flows: 1 }, QUIET_MS_MAX],
    ["on which nobody is expected lives", { ...TALKING, sent: 0 }, SILENCE, null],
    ["of a node that never reports lives longer", { ...TALKING, heardFromNode: 0 }, { ...SILENCE, sent: 30 }, QUIET_MS_MAX],
    ["of which the browser has lost the path dies", { ...TALKING, sent: 0 }, { ...SILENCE, flows: 1, disconnected: true }, QUIET_MS],
    ["that the browser calls lost lives where nothing is expected", { ...TALKING, sent: 0 }, { ...SILENCE, disconnected: true }, null],
    ["that still hears the node lives", TALKING, { ...TALKING, heard: 1 }, null],
    ["whose STUN requests are answered lives", TALKING, ANSWERED, null],
  ];
  test.each(cases)("%s", (_, before, after, diesAfterMs) => {
    const line = new Line();
    line.run(before, 5_000);
    const diedAfterMs = line.run(after, 20_000);
    if (diesAfterMs === null) {
      expect(diedAfterMs).toBeNull();
    } else {
      expect(diedAfterMs).toBeGreaterThanOrEqual(diesAfterMs);
      expect(diedAfterMs).toBeLessThanOrEqual(diesAfterMs + STEP_MS);
    }
  });

  test("whose node the edge has lost dies sooner, unless something arrives or nothing is expected", () => {
    const suspect = (after: Rates): number | null => {
      const line = new Line();
      line.run(TALKING, 5_000);
      line.watch.suspectNode();
      return line.run(after, 1_000);
    };
    const diedAfterMs = suspect({ ...SILENCE, flows: 1 });
    expect(diedAfterMs).toBeGreaterThanOrEqual(SUSPECT_QUIET_MS);
    expect(diedAfterMs).toBeLessThanOrEqual(SUSPECT_QUIET_MS + STEP_MS);
    expect(suspect({ ...TALKING, heard: 1 })).toBeNull();
    expect(suspect({ ...SILENCE, sent: 30 })).toBeNull();
  });

  test("is not suspected for ever, nor after it was replaced", () => {
    const line = new Line();
    line.run(TALKING, 5_000);
    line.watch.suspectNode();
    line.run(TALKING, 5_000);
    expect(line.run({ ...SILENCE, flows: 1 }, 1_000)).toBeNull();
    line.run(TALKING, 5_000);
    line.watch.suspectNode();
    line.watch.reset();
    line.run(TALKING, 1_000);
    expect(line.run({ ...SILENCE, flows: 1 }, 1_000)).toBeNull();
  });

  test("of which only STUN replies are heard is alive, but nothing flows", () => {
    const line = new Line();
    line.run(ANSWERED, 2_000);
    expect(new Set(line.verdicts)).toEqual(new Set(["", "alive"]));
    line.run(TALKING, 250);
    expect(line.verdicts.at(-1)).toBe("flowing");
  });

  test("is reported dead once, and can die again after it lived", () => {
    const line = new Line();
    line.run(TALKING, 5_000);
    line.run({ ...SILENCE, flows: 2 }, 20_000);
    expect(line.verdicts.filter((verdict) => verdict === "quiet")).toHaveLength(1);
    line.run(TALKING, 1_000);
    line.run({ ...SILENCE, flows: 2 }, 20_000);
    expect(line.verdicts.filter((verdict) => verdict === "quiet")).toHaveLength(2);
  });

  test("that is replaced owes nothing to the one before", () => {
    const line = new Line();
    line.run(TALKING, 5_000);
    line.watch.reset();
    expect(line.run({ ...SILENCE, sent: 30 }, QUIET_MS_MAX - STEP_MS)).toBeNull();
  });

  test("is not dead because the page was asleep", () => {
    const line = new Line();
    line.run(TALKING, 5_000);
    line.nowMs += 60_000;
    expect(line.run(TALKING, 1_000)).toBeNull();
  });
});

/** Feeds a watch with samples whose counters grow at given rates. */
class Line {
  readonly watch = new TransportWatch();
  readonly verdicts: string[] = [];
  nowMs = 0;
  #sample: TransportSample = { atMs: 0, ...SILENCE };

  /** The time until it was reported dead; `null` if it was not. */
  run(rates: Rates, forMs: number): number | null {
    const startMs = this.nowMs;
    let diedAfterMs: number | null = null;
    while (this.nowMs < startMs + forMs) {
      this.nowMs += STEP_MS;
      const last = this.#sample;
      this.#sample = {
        atMs: this.nowMs,
        heard: last.heard + rates.heard,
        media: last.media + rates.media,
        heardFromNode: last.heardFromNode + rates.heardFromNode,
        sent: last.sent + rates.sent,
        stunRequests: last.stunRequests + rates.stunRequests,
        stunReplies: last.stunReplies + rates.stunReplies,
        flows: rates.flows,
        disconnected: rates.disconnected,
      };
      const verdict = this.watch.take(this.#sample);
      this.verdicts.push(verdict ?? "");
      if (verdict === "quiet") {
        diedAfterMs ??= this.nowMs - startMs;
      }
    }
    return diedAfterMs;
  }
}
