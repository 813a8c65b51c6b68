import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openDevice } from "./devices";

const asked: MediaStreamConstraints[] = [];
let refusal: { name: string; message?: string; constraint?: string } | null = null;

beforeEach(() => {
  asked.splice(0);
  refusal = null;
  const track = {};
  const getUserMedia = (wanted: MediaStreamConstraints): Promise<object> => {
    asked.push(wanted);
    return refusal === null ? Promise.resolve({ getAudioTracks: () => [track], getVideoTracks: () => [track] }) : Promise.reject(refusal as unknown as Error);
  };
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

// Holds S0-CLI-02.
test("a microphone is captured as the application wants, by default with all processing", async () => {
  await openDevice("microphone");
  await openDevice("microphone", "desk", { echoCancellation: false, sampleRate: 48_000, channelCount: 2 });
  expect(asked).toEqual([
    { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } },
    {
      audio: {
        deviceId: { exact: "desk" },
        echoCancellation: false,
        noiseSuppression: true,
        autoGainControl: true,
        sampleRate: 48_000,
        channelCount: 2,
      },
    },
  ]);
});

// Holds S0-CLI-03.
test("a camera is captured as the application wants, by default with 720 lines", async () => {
  await openDevice("camera");
  await openDevice("camera", "front", {
    width: { min: 640, ideal: 1_920, max: 3_840 },
    height: { min: 360, ideal: 1_080, max: 2_160 },
    frameRate: { min: 10, ideal: 60, max: 60 },
    facingMode: "environment",
  });
  expect(asked).toEqual([
    { video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } } },
    {
      video: {
        deviceId: { exact: "front" },
        width: { min: 640, ideal: 1_920, max: 3_840 },
        height: { min: 360, ideal: 1_080, max: 2_160 },
        frameRate: { min: 10, ideal: 60, max: 60 },
        facingMode: "environment",
      },
    },
  ]);
});

test.each([
  ["a site that the user has blocked", "NotAllowedError", "Permission denied", "device_denied"],
  ["a question that the user has closed", "NotAllowedError", "Permission dismissed", "device_dismissed"],
  ["a system that blocks the browser", "NotAllowedError", "Permission denied by system", "device_denied_by_system"],
  ["another browser's refusal", "NotAllowedError", "The request is not allowed by the user agent or the platform in the current context.", "device_denied"],
  ["a policy that the message names", "SecurityError", "Access to the feature \"camera\" is disallowed by permissions policy.", "device_denied_by_page"],
])("%s is told apart, with the device", async (_, name, message, code) => {
  refusal = new DOMException(message, name);
  for (const device of ["camera", "microphone"] as const) {
    await expect(openDevice(device)).rejects.toMatchObject({ code, device });
  }
});

test("a frame without the permission is told apart from a user who refuses", async () => {
  const allowsFeature = (feature: string): boolean => feature === "microphone";
  vi.stubGlobal("document", { featurePolicy: { allowsFeature } });
  refusal = new DOMException("Permission denied", "NotAllowedError");
  await expect(openDevice("camera")).rejects.toMatchObject({ code: "device_denied_by_page" });
  await expect(openDevice("microphone")).rejects.toMatchObject({ code: "device_denied" });
});

test.each([
  ["https:", "device_unsupported"],
  ["http:", "device_insecure"],
])("a browser without devices on a page of %s says which of the two is the cause", async (protocol, code) => {
  vi.stubGlobal("location", { protocol });
  for (const mediaDevices of [undefined, {}]) {
    vi.stubGlobal("navigator", { mediaDevices });
    await expect(openDevice("camera")).rejects.toMatchObject({ code });
  }
});

test("a closed question about both devices does not come back for each", async () => {
  refusal = new DOMException("Permission dismissed", "NotAllowedError");
  const both = await Promise.allSettled([openDevice("microphone"), openDevice("camera")]);
  expect(both.map((one) => one.status === "rejected" && (one.reason as { device: string }).device)).toEqual(["microphone", "camera"]);
  expect(asked).toHaveLength(1);
  // It was about the microphone alone.
  const query = ({ name }: { name: string }): Promise<object> => Promise.resolve({ state: name === "camera" ? "granted" : "prompt" });
  vi.stubGlobal("navigator", { ...navigator, permissions: { query } });
  await Promise.allSettled([openDevice("microphone"), openDevice("camera")]);
  expect(asked.slice(1).map((wanted) => Object.keys(wanted))).toEqual([["audio", "video"], ["video"]]);
});

test("a device without the wanted features is not taken for a missing one", async () => {
  refusal = { name: "OverconstrainedError", constraint: "width" };
  await expect(openDevice("camera", "front", { width: { min: 9_999 } })).rejects.toMatchObject({ code: "device_unsuitable", device: "camera" });
  expect(asked).toHaveLength(1);
  refusal = { name: "OverconstrainedError", constraint: "deviceId" };
  await expect(openDevice("camera", "gone")).rejects.toMatchObject({ code: "device_missing" });
  // Then any camera.
  expect(asked.slice(1).map(({ video }) => (video as MediaTrackConstraints).deviceId)).toEqual([{ exact: "gone" }, undefined]);
});
