import { describe, expect, test } from "vitest";
import type { CaptureCommand, CaptureEvent, CaptureState, Use } from "./capture-state";
import { initialCapture, isOn, stepCapture } from "./capture-state";
import type { DeviceKind } from "./devices";

/** A device that opens when the test says so, and the liveness of its tracks. */
class Bench {
  state: CaptureState;
  readonly live = new Map<number, { device: string | null; isEnabled: boolean }>();
  readonly pending = new Map<number, string | null>();
  readonly told: string[] = [];

  constructor(kind: DeviceKind, wanted: boolean, chosen: string | null = null) {
    this.state = initialCapture(kind, wanted, chosen);
  }

  do(event: CaptureEvent): this {
    const [after, commands] = stepCapture(this.state, event);
    this.state = after;
    commands.forEach((command) => this.#execute(command));
    this.#check(event);
    return this;
  }

  use(use: Use): this {
    return this.do({ on: "use", use });
  }

  set(wanted: boolean): this {
    return this.do({ on: "set", wanted });
  }

  choose(device: string): this {
    return this.do({ on: "choose", device });
  }

  /** Opens the device of the oldest request. */
  arrives(isInterrupted = false): this {
    const [next] = this.pending;
    if (next === undefined) return this;
    const [opening, device] = next;
    this.pending.delete(opening);
    this.live.set(opening, { device, isEnabled: true });
    return this.do({ on: "opened", opening, isInterrupted });
  }

  fails(code: "device_busy" | "device_denied" = "device_denied"): this {
    const [next] = this.pending;
    if (next === undefined) return this;
    this.pending.delete(next[0]);
    return this.do({ on: "failed", opening: next[0], code });
  }

  ends(livedMs = 60_000): this {
    const opening = this.state.live?.opening;
    if (opening === undefined) return this;
    this.live.delete(opening);
    return this.do({ on: "lost", opening, livedMs });
  }

  interrupted(isInterrupted: boolean): this {
    const opening = this.state.live?.opening;
    return opening === undefined ? this : this.do({ on: "interrupted", opening, isInterrupted });
  }

  /** Live devices that are not muted. */
  get hot(): (string | null)[] {
    return [...this.live.values()].filter(({ isEnabled }) => isEnabled).map(({ device }) => device);
  }

  #execute(command: CaptureCommand): void {
    switch (command.do) {
      case "open":
        this.pending.set(command.opening, command.device);
        return;
      case "stop":
        this.live.delete(command.opening);
        return;
      case "enable":
        (this.live.get(this.state.live?.opening ?? -1) as { isEnabled: boolean }).isEnabled = command.isEnabled;
        return;
      case "fail":
        this.told.push(command.code);
        return;
      case "tell_replaced":
        this.told.push("replaced");
        return;
      case "replace":
      case "settle":
        return;
    }
  }

  /** Checks the invariants after each event. */
  #check(event: CaptureEvent): void {
    const { state, live, pending, hot } = this;
    const isUsed = state.use === "preview" || state.use === "call";
    const mustHold: readonly [string, boolean][] = [
      ["at most one track", live.size <= 1],
      ["at most one question", pending.size <= 1],
      ["no track that the state does not know", [...live.keys()].join() === String(state.live?.opening ?? "")],
      ["nothing live while off", (state.wanted && isUsed) || hot.length === 0],
      ["nothing open while off", isUsed && (state.wanted || (state.kind === "microphone" && state.use === "call")) || live.size === 0],
      ["not dark while on", !isUsed || !state.wanted || pending.size > 0 || hot.join() === String(state.chosen ?? "")],
    ];
    const broken = mustHold.filter(([, holds]) => !holds).map(([what]) => what);
    if (broken.length > 0) {
      throw new Error(`${broken.join(", ")} after ${JSON.stringify(event)}: ${JSON.stringify(state)}, live ${JSON.stringify([...live])}`);
    }
  }
}

describe("whatever the order of presses", () => {
  const moves: Readonly<Record<string, (bench: Bench) => Bench>> = {
    on: (bench) => bench.set(true),
    off: (bench) => bench.set(false),
    choose: (bench) => bench.choose("b"),
    arrives: (bench) => bench.arrives(),
    arrivesMuted: (bench) => bench.arrives(true),
    fails: (bench) => bench.fails(),
    busy: (bench) => bench.fails("device_busy"),
    ends: (bench) => bench.ends(),
    join: (bench) => bench.use("call"),
    refused: (bench) => bench.use("preview"),
    leave: (bench) => bench.use("none"),
    close: (bench) => bench.use("closed"),
    interrupted: (bench) => bench.interrupted(true),
    resumed: (bench) => bench.interrupted(false),
    release: (bench) => bench.do({ on: "release" }),
  };

  // `Bench` checks after each step that every wanted device is live, and no other.
  test.each([
    ["microphone", true],
    ["microphone", false],
    ["camera", true],
    ["camera", false],
  ] as const)("a %s that begins as on=%s does what its button says", (kind, wanted) => {
    const names = Object.keys(moves);
    const play = (depth: number, path: readonly string[]): void => {
      if (depth === 0) {
        const bench = new Bench(kind, wanted).use("preview");
        path.forEach((name) => moves[name]?.(bench));
        // The slowest device opens in the end.
        bench.arrives().arrives();
        const shown = isOn(bench.state) && (bench.state.use === "preview" || bench.state.use === "call");
        const isHeld = bench.state.live?.isInterrupted === true;
        if (bench.pending.size > 0 || (bench.hot.length > 0 && !isHeld) !== shown) {
          throw new Error(`after ${path.join()}: ${JSON.stringify(bench.state)}, live ${JSON.stringify([...bench.live])}`);
        }
        return;
      }
      names.forEach((name) => play(depth - 1, [...path, name]));
    };
    [1, 2, 3, 4].forEach((depth) => play(depth, []));
  });
});

describe("privacy", () => {
  test("the camera is pressed, and Join 150 ms later, before it has opened", () => {
    const bench = new Bench("camera", false).use("preview").set(true).use("call");
    expect(isOn(bench.state)).toBe(true);
    bench.arrives();
    expect(bench.hot).toEqual([null]);
    bench.use("none");
    expect(bench.live.size).toBe(0);
  });

  test("a microphone is chosen and muted at once", () => {
    const bench = new Bench("microphone", true).use("preview").arrives().choose("b").set(false).arrives();
    expect(isOn(bench.state)).toBe(false);
    expect(bench.live.size).toBe(0);
    expect(bench.set(true).arrives().hot).toEqual(["b"]);
  });

  test("a microphone is switched off in a call while it still opens: it is let go, and so is one that comes after another press", () => {
    const bench = new Bench("microphone", false).use("call").set(true).set(false).arrives();
    expect(isOn(bench.state)).toBe(false);
    expect(bench.live.size).toBe(0);
    bench.set(true).set(false).set(true).set(false).arrives();
    expect(bench.live.size + bench.pending.size).toBe(0);
    expect(bench.set(true).arrives().hot).toEqual([null]);
  });

  test("a join is refused while both are off", () => {
    const bench = new Bench("microphone", true).use("preview").arrives().set(false).use("call").use("preview");
    expect(bench.pending.size + bench.live.size).toBe(0);
  });

  test("joining again keeps what was chosen in the call", () => {
    const bench = new Bench("camera", true).use("preview").arrives().use("call").set(false).use("none").use("preview");
    expect(isOn(bench.state)).toBe(false);
    expect(bench.pending.size).toBe(0);
    bench.set(true).arrives().use("none");
    expect(bench.use("preview").arrives().hot).toEqual([null]);
  });

  test("the page is left while the device opens", () => {
    const bench = new Bench("camera", true).use("preview").use("closed").arrives();
    expect(bench.live.size).toBe(0);
  });

  test("off and on again, while it opens, asks the user once", () => {
    const bench = new Bench("camera", true).use("preview").set(false).set(true);
    expect(bench.state.openings).toBe(1);
    expect(bench.arrives().hot).toEqual([null]);
  });

  test("a muted microphone in a call stays open but silent; a camera does not stay open", () => {
    expect(new Bench("microphone", true).use("call").arrives().set(false).live.size).toBe(1);
    expect(new Bench("camera", true).use("call").arrives().set(false).live.size).toBe(0);
  });
});

describe("what is heard late of an earlier opening", () => {
  /** The second opening is in use, and the third is pending. */
  const opensThird = (): Bench => new Bench("microphone", true, "a").use("call").arrives().choose("b").arrives().choose("c");

  test.each<CaptureEvent>([
    { on: "opened", opening: 1, isInterrupted: false },
    { on: "opened", opening: 1, isInterrupted: true },
    { on: "failed", opening: 1, code: "device_denied" },
    { on: "lost", opening: 1, livedMs: 60_000 },
    { on: "interrupted", opening: 1, isInterrupted: true },
  ])("changes neither what is in use nor what opens: $on", (late) => {
    const bench = opensThird();
    const before = bench.state;
    expect(bench.do(late).state).toEqual(before);
    expect(bench.hot).toEqual(["b"]);
    expect(bench.arrives().hot).toEqual(["c"]);
    expect(bench.told).toEqual([]);
  });
});

describe("another device", () => {
  test("takes over when it is there", () => {
    const bench = new Bench("camera", true).use("call").arrives().choose("b");
    expect(bench.hot).toEqual([null]);
    expect(bench.arrives().hot).toEqual(["b"]);
  });

  test("that is refused leaves the one before", () => {
    const bench = new Bench("camera", true, "a").use("call").arrives().choose("b").fails();
    expect(bench.hot).toEqual(["a"]);
    expect(bench.told).toEqual(["device_denied"]);
  });

  test("of a phone opens only once the first camera is closed", () => {
    const bench = new Bench("camera", true, "front").use("call").arrives().choose("back").fails("device_busy");
    expect(bench.live.size).toBe(0);
    expect(bench.arrives().hot).toEqual(["back"]);
    expect(bench.told).toEqual([]);
  });

  test("of a phone that does not open either way brings the first one back", () => {
    const bench = new Bench("camera", true, "front").use("call").arrives().choose("back").fails("device_busy").fails("device_busy");
    expect(bench.told).toEqual(["device_busy"]);
    expect(bench.arrives().hot).toEqual(["front"]);
    expect(isOn(bench.state)).toBe(true);
  });
});

describe("a device that is lost", () => {
  test("is replaced by the default one, and that is told", () => {
    const bench = new Bench("camera", true, "usb").use("preview").arrives().ends().arrives();
    expect(bench.hot).toEqual([null]);
    expect(bench.told).toEqual(["replaced"]);
  });

  test("with no other one is off, and that is told", () => {
    const bench = new Bench("camera", true).use("preview").arrives().ends().fails();
    expect(isOn(bench.state)).toBe(false);
    expect(bench.told).toEqual(["device_denied"]);
  });

  test("while it is off is not opened again", () => {
    const bench = new Bench("microphone", true).use("call").arrives().set(false).ends();
    expect(bench.pending.size).toBe(0);
  });

  test("while another one opens does not change the user's choice", () => {
    const bench = new Bench("camera", true).use("call").arrives().choose("b").ends().arrives();
    expect(bench.hot).toEqual(["b"]);
  });

  test("as soon as it is opened is given up after a few times; one that is unplugged now and then is not", () => {
    const broken = new Bench("camera", true).use("call");
    for (let time = 0; time < 4; time += 1) broken.arrives().ends(10);
    expect(broken.pending.size).toBe(0);
    expect(isOn(broken.state)).toBe(false);
    const loose = new Bench("camera", true).use("call");
    for (let time = 0; time < 10; time += 1) loose.arrives().ends();
    expect(loose.arrives().hot).toEqual([null]);
  });
});

describe("an interruption by the system", () => {
  test("shows as off, and is over when the system says so", () => {
    const bench = new Bench("microphone", true).use("call").arrives().interrupted(true);
    expect(isOn(bench.state)).toBe(false);
    expect(isOn(bench.interrupted(false).state)).toBe(true);
  });

  test("from before the device is open shows as off too, also on the device that replaces another", () => {
    const bench = new Bench("microphone", true).use("call").arrives(true);
    expect(isOn(bench.state)).toBe(false);
    expect(isOn(bench.interrupted(false).state)).toBe(true);
    expect(isOn(bench.choose("b").arrives(true).state)).toBe(false);
    expect(isOn(bench.interrupted(false).state)).toBe(true);
    expect(isOn(bench.ends().arrives(true).state)).toBe(false);
  });

  test("is over when the user presses the button: the device is opened anew", () => {
    const bench = new Bench("camera", true).use("call").arrives().interrupted(true).set(true);
    expect(bench.pending.size).toBe(1);
    expect(bench.arrives().hot).toEqual([null]);
  });
});
