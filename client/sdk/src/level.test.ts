import { afterEach, expect, test, vi } from "vitest";
import { LevelMeter } from "./level";

afterEach(() => vi.unstubAllGlobals());

/** An AudioContext that runs only after the page was touched, as in browsers. */
class LazyContext {
  static isTouched = false;
  state = "suspended";
  createAnalyser(): object {
    return { fftSize: 0, getFloatTimeDomainData: (samples: Float32Array) => samples.fill(0.5) };
  }
  createMediaStreamSource(): object {
    return { connect: () => undefined };
  }
  resume(): Promise<void> {
    if (!LazyContext.isTouched) return Promise.reject(new DOMException("", "NotAllowedError"));
    this.state = "running";
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

test("a meter that may not run yet does once the page is touched, and again after an interruption", async () => {
  const [window, document] = [new EventTarget(), new EventTarget()];
  vi.stubGlobal("AudioContext", LazyContext);
  vi.stubGlobal("MediaStream", class {});
  vi.stubGlobal("window", window);
  vi.stubGlobal("document", document);
  const meter = new LevelMeter({} as MediaStreamTrack);
  expect([meter.isRunning, meter.level]).toEqual([false, 0]);
  LazyContext.isTouched = true;
  window.dispatchEvent(new Event("pointerup"));
  await Promise.resolve();
  expect([meter.isRunning, meter.level]).toEqual([true, 0.5]);
});

test.each([
  ["no Web Audio API", undefined],
  [
    "a microphone of another sample rate, in Firefox",
    class extends LazyContext {
      override createMediaStreamSource(): never {
        throw new DOMException("different sample-rate", "NotSupportedError");
      }
    },
  ],
])("with %s a meter measures nothing and breaks nothing", (_, context) => {
  vi.stubGlobal("AudioContext", context);
  vi.stubGlobal("MediaStream", class {});
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", new EventTarget());
  const meter = new LevelMeter({} as MediaStreamTrack);
  window.dispatchEvent(new Event("pointerup"));
  expect([meter.isRunning, meter.level]).toEqual([false, 0]);
  meter.close();
});
