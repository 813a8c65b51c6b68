import { describe, expect, test } from "vitest";
import type { TransportSample } from "./transport-watch";
import { QUIET_MS, QUIET_MS_MAX, SUSPECT_QUIET_MS, SUSPECT_REPORT_QUIET_MS, SUSPICION_MS, TransportWatch } from "./transport-watch";

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

  describe("whose node the edge has lost", () => {
    /** The time until it was reported dead, within the time of the suspicion. */
    const suspected = (before: Rates, after: Rates): number | null => {
      const line = new Line();
      line.run(before, 5_000);
      line.watch.suspectNode(line.nowMs);
      return line.run(after, SUSPICION_MS);
    };

    test("dies sooner if steady media stops", () => {
      const group = suspected(TALKING, { ...SILENCE, flows: 2 });
      expect(group).toBeGreaterThanOrEqual(SUSPECT_QUIET_MS);
      expect(group).toBeLessThanOrEqual(SUSPECT_QUIET_MS + STEP_MS);
      const pair = suspected({ ...TALKING, flows: 1 }, { ...SILENCE, flows: 1 });
      expect(pair).toBeGreaterThanOrEqual(SUSPECT_REPORT_QUIET_MS);
      expect(pair).toBeLessThanOrEqual(SUSPECT_REPORT_QUIET_MS + STEP_MS);
    });

    test("lives while anything arrives, and where nothing is expected", () => {
      expect(suspected(TALKING, { ...TALKING, heard: 1 })).toBeNull();
      expect(suspected(TALKING, { ...SILENCE, sent: 30 })).toBeGreaterThanOrEqual(QUIET_MS);
      expect(suspected(TALKING, SILENCE)).toBeNull();
    });

    // A room in service must not move because its node has lost the edge alone.
    test.each([
      ["one camera is paused and the microphones are muted", 1, 1_000],
      ["all cameras are paused and the microphones are muted", 2, 1_000],
      ["the only camera is paused and only STUN replies arrive", 1, 2_500],
    ])("lives where %s", (_, flows, everyMs) => {
      for (let phaseMs = 0; phaseMs < everyMs; phaseMs += STEP_MS) {
        const line = new Line();
        const paused = (forMs: number): void => {
          for (let passed = 0; passed < forMs; passed += STEP_MS) {
            const heard = line.nowMs % everyMs === 0 ? 1 : 0;
            // Now and then the node probes the downlink, to see whether a camera can go on.
            const probes = line.nowMs % 20_000 === 0 ? 40 : 0;
            const reports = everyMs === 1_000 ? heard : 0;
            line.run({ ...SILENCE, flows, heard: heard + probes, media: reports + probes, heardFromNode: reports }, STEP_MS);
          }
        };
        line.run({ ...TALKING, flows }, 5_000);
        paused(20_000 + phaseMs);
        line.watch.suspectNode(line.nowMs);
        paused(SUSPICION_MS);
        expect(line.verdicts).not.toContain("quiet");
      }
    });

    test("lives when the only camera pauses at that moment, because the node still reports", () => {
      const line = new Line();
      line.run({ ...TALKING, flows: 1 }, 5_000);
      line.watch.suspectNode(line.nowMs);
      for (let passed = 0; passed < SUSPICION_MS; passed += 1_000) {
        line.run({ ...SILENCE, flows: 1, sent: 1 }, 1_000 - STEP_MS);
        line.run({ ...SILENCE, flows: 1, sent: 1, heard: 1, media: 1, heardFromNode: 1 }, STEP_MS);
      }
      expect(line.verdicts).not.toContain("quiet");
    });

    test("is not suspected for ever, nor after it was replaced", () => {
      const line = new Line();
      line.run(TALKING, 5_000);
      line.watch.suspectNode(line.nowMs);
      line.run(TALKING, SUSPICION_MS);
      expect(line.run({ ...SILENCE, flows: 2 }, QUIET_MS - STEP_MS)).toBeNull();
      line.run(TALKING, 5_000);
      line.watch.suspectNode(line.nowMs);
      line.watch.reset();
      line.run(TALKING, 1_000);
      expect(line.run({ ...SILENCE, flows: 2 }, QUIET_MS - STEP_MS)).toBeNull();
    });
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
