import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Capture } from "./capture";

/** A captured track, as far as a capture uses it. */
class FakeTrack extends EventTarget {
  readyState = "live";
  enabled = true;
  label = "";
  onended: (() => void) | null = null;
  onmute: (() => void) | null = null;
  onunmute: (() => void) | null = null;
  constructor(public muted: boolean) {
    super();
  }
  getSettings(): object {
    return {};
  }
  stop(): void {
    this.readyState = "ended";
  }
  unmute(): void {
    this.muted = false;
    this.onunmute?.();
  }
}

/** Each opened track, oldest first. */
const opened: FakeTrack[] = [];
let arrivesMuted = false;

beforeEach(() => {
  opened.splice(0);
  arrivesMuted = false;
  const open = (): object => {
    const track = new FakeTrack(arrivesMuted);
    opened.push(track);
    return { getAudioTracks: () => [track], getVideoTracks: () => [track], getTracks: () => [track] };
  };
  const devices = Object.assign(new EventTarget(), {
    enumerateDevices: () => Promise.resolve([]),
    getUserMedia: () => Promise.resolve(open()),
  });
  vi.stubGlobal("navigator", { userAgent: "", mediaDevices: devices });
});

afterEach(() => vi.unstubAllGlobals());

/** Hears what a call would publish. */
function attach(capture: Capture): string[] {
  const told: string[] = [];
  capture.attach({
    replaced: () => undefined,
    muted: (muted) => told.push(muted ? "muted" : "unmuted"),
    changed: () => undefined,
    fellBack: () => undefined,
    failed: () => undefined,
  });
  return told;
}

const settled = (): Promise<unknown> => vi.waitFor(() => expect(opened.at(-1)?.onmute).toBeTypeOf("function"));

describe.each(["microphone", "camera"] as const)("a %s whose track arrives muted is published as muted, until it is not", (kind) => {
  const arrivals: Readonly<Record<string, (capture: Capture) => Promise<unknown>>> = {
    opened: async (capture) => capture.set(true),
    "opened instead of another": async (capture) => {
      arrivesMuted = false;
      await capture.set(true);
      arrivesMuted = true;
      await capture.choose("other");
    },
    "opened instead of a lost one": async (capture) => {
      arrivesMuted = false;
      await capture.set(true);
      arrivesMuted = true;
      opened[0]?.onended?.();
      await vi.waitFor(() => expect(opened.length).toBe(2));
      await settled();
    },
    adopted: async (capture) => {
      opened.push(new FakeTrack(true));
      capture.adopt(opened[0] as unknown as MediaStreamTrack);
    },
  };

  test.each(Object.keys(arrivals))("%s", async (name) => {
    const capture = new Capture(kind);
    arrivesMuted = true;
    const told = name === "adopted" ? [] : attach(capture);
    await arrivals[name]?.(capture);
    if (name === "adopted") {
      expect(capture.sends).toBe(false);
      told.push(...attach(capture));
    }
    expect([capture.sends, capture.snapshot.on, capture.snapshot.interrupted]).toEqual([false, false, true]);
    expect(told.at(-1) ?? "muted").toBe("muted");
    opened.at(-1)?.unmute();
    expect([capture.sends, capture.snapshot.on, capture.snapshot.interrupted]).toEqual([true, true, false]);
  });

  test("previewed, and lent to a call", async () => {
    const capture = new Capture(kind, { on: true });
    arrivesMuted = true;
    capture.preview();
    await settled();
    expect(capture.snapshot.interrupted).toBe(true);
    const told = attach(capture);
    expect([capture.sends, told]).toEqual([false, []]);
    opened[0]?.unmute();
    expect([capture.sends, told]).toEqual([true, ["unmuted"]]);
  });
});

describe.each(["microphone", "camera"] as const)("a %s track of the application", (kind) => {
  function adopted(isEnabled: boolean): [FakeTrack, Capture, string[]] {
    const track = new FakeTrack(false);
    track.enabled = isEnabled;
    const capture = new Capture(kind);
    capture.adopt(track as unknown as MediaStreamTrack);
    return [track, capture, attach(capture)];
  }

  test("is off while it is disabled, until the user turns it on", async () => {
    const [track, capture, told] = adopted(false);
    expect([capture.sends, capture.snapshot.on, track.readyState, told]).toEqual([false, false, "live", []]);
    await capture.set(true);
    expect([capture.sends, track.enabled, capture.snapshot.track, told]).toEqual([true, true, track, ["unmuted"]]);
  });

  test("is the same after off and on", async () => {
    const [track, capture, told] = adopted(true);
    await capture.set(false);
    expect([capture.sends, track.enabled, track.readyState]).toEqual([false, false, "live"]);
    await capture.set(true);
    expect([capture.sends, track.enabled, capture.snapshot.track, told]).toEqual([true, true, track, ["muted", "unmuted"]]);
    expect(opened).toEqual([]);
  });

  test("waits for the end of an interruption", async () => {
    const [track, capture] = adopted(true);
    track.muted = true;
    track.onmute?.();
    await capture.set(true);
    expect([track.readyState, opened]).toEqual(["live", []]);
    track.unmute();
    expect(capture.sends).toBe(true);
  });

  test("stays when a chosen device cannot be opened", async () => {
    const [track, capture, told] = adopted(true);
    const mediaDevices = Object.assign(new EventTarget(), {
      enumerateDevices: () => Promise.resolve([]),
      getUserMedia: () => Promise.reject(new DOMException("in use", "NotReadableError")),
    });
    vi.stubGlobal("navigator", { userAgent: "", mediaDevices });
    await expect(capture.choose("other")).rejects.toMatchObject({ code: "device_busy" });
    expect([capture.sends, capture.snapshot.track, capture.snapshot.deviceId, track.readyState]).toEqual([true, track, null, "live"]);
    await capture.set(false);
    await capture.set(true);
    expect([capture.sends, capture.snapshot.track, track.readyState, told]).toEqual([true, track, "live", ["muted", "unmuted"]]);
  });

  test("that has ended is an error for the call", () => {
    const track = new FakeTrack(false);
    track.stop();
    const capture = new Capture(kind);
    capture.adopt(track as unknown as MediaStreamTrack);
    const failed = vi.fn();
    capture.attach({ replaced: () => undefined, muted: () => undefined, changed: () => undefined, fellBack: () => undefined, failed });
    expect([failed.mock.calls[0]?.[0].code, capture.snapshot.on, opened]).toEqual(["device_missing", false, []]);
  });

  test("is replaced by no device when it has ended, except by one that the user chooses", async () => {
    const [track, capture, told] = adopted(true);
    track.readyState = "ended";
    track.onended?.();
    expect([capture.sends, capture.snapshot.on, capture.snapshot.error?.code]).toEqual([false, false, "device_missing"]);
    await expect(capture.set(true)).rejects.toMatchObject({ code: "device_missing" });
    await new Promise((resolve) => setTimeout(resolve));
    expect([opened, told.includes("unmuted")]).toEqual([[], false]);
    capture.choose("other").catch(() => undefined);
    await capture.set(true);
    expect([opened.length, capture.sends]).toEqual([1, true]);
  });
});
