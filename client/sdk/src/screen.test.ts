import { afterEach, expect, test, vi } from "vitest";
import { ScreenShare } from "./screen";

/** A browser's screen capture, as far as sharing uses it. */
class Captured {
  onended: (() => void) | null = null;
  contentHint = "";
  onmute: (() => void) | null = null;
  onunmute: (() => void) | null = null;
  readyState = "live";
  stopped = false;
  constructor(public muted = false) {}
  stop(): void {
    this.stopped = true;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
});

// Holds S0-TEST-01, S2-CLI-03.
test("ends with the browser's own button too, once, and leaves nothing captured", async () => {
  const [picture, sound] = [new Captured(), new Captured()];
  const stream = { getVideoTracks: () => [picture], getAudioTracks: () => [sound], getTracks: () => [picture, sound] };
  const getDisplayMedia = vi.fn(() => Promise.resolve(stream));
  vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia } });
  const changed = vi.fn();
  const share = new ScreenShare({ changed, muted: () => undefined });
  await share.start();
  expect([share.video, share.sound, changed.mock.calls.length]).toEqual([picture, sound, 1]);

  const { onended } = picture;
  onended?.();
  expect([share.video, share.sound, changed.mock.calls.length]).toEqual([null, null, 2]);
  expect([picture.stopped, sound.stopped]).toEqual([true, true]);
  onended?.();
  share.stop();
  expect(changed.mock.calls.length).toBe(2);
});

test("sound that ends alone is no longer shared, and one that has ended never is", async () => {
  const [picture, sound, ended] = [new Captured(), new Captured(), new Captured()];
  const capturing = (heard: Captured): void => {
    const stream = { getVideoTracks: () => [picture], getAudioTracks: () => [heard], getTracks: () => [picture, heard] };
    vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia: () => Promise.resolve(stream) } });
  };
  const changed = vi.fn();
  const share = new ScreenShare({ changed, muted: () => undefined });
  capturing(sound);
  await share.start();
  sound.onended?.();
  expect([share.video, share.sound, sound.onended, changed.mock.calls.length]).toEqual([picture, null, null, 2]);
  ended.readyState = "ended";
  capturing(ended);
  await share.start();
  expect([share.video, share.sound]).toEqual([picture, null]);
});

test("a moderator who mutes the sound of a screen does not end the screen", async () => {
  const [picture, sound] = [new Captured(), new Captured()];
  const stream = { getVideoTracks: () => [picture], getAudioTracks: () => [sound], getTracks: () => [picture, sound] };
  vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia: () => Promise.resolve(stream) } });
  const share = new ScreenShare({ changed: () => undefined, muted: () => undefined });
  await share.start();
  share.silence("screen_audio");
  expect([share.video, share.sound, sound.stopped]).toEqual([picture, null, true]);
  share.silence("screen");
  expect([share.video, picture.stopped]).toEqual([null, true]);
});

test.each([
  ["Permission denied", "screen_denied"],
  ["Permission denied by system", "screen_denied_by_system"],
  ["Access to the feature \"display-capture\" is disallowed by permissions policy.", "screen_denied_by_page"],
])("a screen is refused with %j", async (message, code) => {
  const getDisplayMedia = (): Promise<never> => Promise.reject(new DOMException(message, "NotAllowedError"));
  vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia } });
  await expect(new ScreenShare({ changed: () => undefined, muted: () => undefined }).start()).rejects.toMatchObject({ code });
});

test("who leaves while the browser still asks captures nothing", async () => {
  const picture = new Captured();
  const answer = Promise.withResolvers<object>();
  vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia: () => answer.promise } });
  const changed = vi.fn();
  const share = new ScreenShare({ changed, muted: () => undefined });
  const started = share.start();
  share.stop();
  answer.resolve({ getVideoTracks: () => [picture], getAudioTracks: () => [], getTracks: () => [picture] });
  await started;
  expect([picture.stopped, share.video, changed.mock.calls.length]).toEqual([true, null, 0]);
});

// Holds S0-CLI-04.
test("a screen is captured as the application wants", async () => {
  const stream = { getVideoTracks: () => [new Captured()], getAudioTracks: () => [], getTracks: () => [] };
  const getDisplayMedia = vi.fn<(wanted: object) => Promise<object>>(() => Promise.resolve(stream));
  vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia } });
  const share = new ScreenShare({ changed: () => undefined, muted: () => undefined });
  await share.start();
  await share.start({ hint: "motion", sound: false });
  const video = { width: { ideal: 1_920, max: 3_840 }, height: { ideal: 1_080, max: 2_160 }, frameRate: 60 };
  await share.start({ constraints: { video, audio: { echoCancellation: true, noiseSuppression: true } } });
  expect(getDisplayMedia.mock.calls.map(([wanted]) => wanted)).toEqual([
    { video: { frameRate: { ideal: 15, max: 15 } }, audio: true },
    { video: { frameRate: { ideal: 30, max: 30 } }, audio: false },
    { video, audio: { echoCancellation: true, noiseSuppression: true } },
  ]);
});

test("a window that shows nothing is muted until it shows something, and each share begins as its own tracks are", async () => {
  const told: string[] = [];
  const listener = {
    changed: () => told.push("changed"),
    muted: (source: string, muted: boolean) => told.push(`${source} ${muted ? "off" : "on"}`),
  };
  const share = new ScreenShare(listener);
  const [picture, sound] = [new Captured(true), new Captured()];
  const capturing = (...pictures: Captured[]): void => {
    const stream = { getVideoTracks: () => pictures, getAudioTracks: () => [sound], getTracks: () => [...pictures, sound] };
    vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia: () => Promise.resolve(stream) } });
  };
  capturing(picture);
  await share.start();
  const { onunmute } = picture;
  picture.muted = false;
  onunmute?.();
  share.stop();
  expect([picture.onmute, picture.onunmute]).toEqual([null, null]);
  capturing(new Captured());
  await share.start();
  expect(told).toEqual([
    ...["screen off", "screen_audio on", "changed", "screen on", "changed"],
    ...["screen on", "screen_audio on", "changed"],
  ]);
});
