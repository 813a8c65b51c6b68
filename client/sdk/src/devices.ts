/** Lists microphones, cameras and speakers, and opens them with user-friendly errors. */
import { denialOf } from "./denial";
import type { DeviceKind } from "./device-kind";
import { RoomError } from "./errors";
import type { ClientErrorCode } from "./errors";

export type { DeviceKind } from "./device-kind";

export interface Device {
  readonly id: string;
  readonly label: string;
  /** The side of a phone's camera; `null` if the browser does not tell. */
  readonly facing?: "user" | "environment" | null;
}

/** All devices; the labels are empty until the user has granted access to a device. */
export interface Devices {
  readonly microphones: readonly Device[];
  readonly cameras: readonly Device[];
  readonly speakers: readonly Device[];
}

/** The W3C's constraints of a captured track; the device itself is chosen by its id. */
export type CaptureConstraints = Readonly<Omit<MediaTrackConstraints, "deviceId" | "groupId">>;

const FRAMES_PER_SECOND_MAX = 30;
const DEFAULTS: Readonly<Record<DeviceKind, CaptureConstraints>> = {
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: FRAMES_PER_SECOND_MAX, max: FRAMES_PER_SECOND_MAX } },
};

const ERROR_CODES: Readonly<Record<string, ClientErrorCode>> = {
  NotFoundError: "device_missing",
  OverconstrainedError: "device_unsuitable",
  NotReadableError: "device_busy",
  AbortError: "device_busy",
  InsecureContext: "device_insecure",
  NoDevices: "device_unsupported",
};

export async function listDevices(): Promise<Devices> {
  // Refused in some frames and in browsers that hide the devices.
  const all = (await mediaDevices()?.enumerateDevices?.().catch(() => [])) ?? [];
  const of = (kind: MediaDeviceKind): Device[] =>
    all.filter((device) => device.kind === kind).map((device) => ({ id: device.deviceId, label: device.label, facing: facingOf(device) }));
  return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
}

function facingOf(device: MediaDeviceInfo): "user" | "environment" | null {
  // Firefox tells no capabilities of a device that is not open.
  const { facingMode = [] } = "getCapabilities" in device ? (device as InputDeviceInfo).getCapabilities() : {};
  return (["user", "environment"] as const).find((side) => facingMode.includes(side)) ?? null;
}

/** Calls `listener` whenever a device is plugged in or unplugged; calling the result stops that. */
export function onDevicesChanged(listener: () => void): () => void {
  const devices = mediaDevices();
  devices?.addEventListener?.("devicechange", listener);
  return () => devices?.removeEventListener?.("devicechange", listener);
}

/**
 * Opens one device, or the default if the chosen one is gone; `wanted` replaces the default constraints one by one. Throws a
 * `RoomError` that names the device. A microphone and a camera requested at the same moment show the user a single prompt.
 */
export function openDevice(kind: DeviceKind, deviceId?: string, wanted: CaptureConstraints = {}): Promise<MediaStreamTrack> {
  const { promise, resolve, reject } = Promise.withResolvers<MediaStreamTrack>();
  if (wishes.length === 0) {
    queueMicrotask(() => void openAll(wishes.splice(0)));
  }
  wishes.push({ kind, deviceId, wanted, resolve, reject });
  return promise;
}

interface Wish {
  readonly kind: DeviceKind;
  readonly deviceId: string | undefined;
  readonly wanted: CaptureConstraints;
  resolve(track: MediaStreamTrack): void;
  reject(error: RoomError): void;
}

const wishes: Wish[] = [];

async function openAll(wanted: readonly Wish[]): Promise<void> {
  const [first, second] = wanted;
  let failure: unknown = null;
  if (wanted.length === 2 && first !== undefined && second !== undefined && first.kind !== second.kind) {
    const stream = await getUserMedia({ ...constraints(first), ...constraints(second) }).catch((error: unknown) => {
      failure = error;
      return null;
    });
    const tracks = wanted.map(({ kind }) => trackOf(stream, kind));
    if (tracks.every((track) => track !== null)) {
      wanted.forEach(({ resolve }, index) => resolve(tracks[index] as MediaStreamTrack));
      return;
    }
    // One of the two is the cause; requested separately, the other may still open.
    stream?.getTracks().forEach((track) => track.stop());
  }
  for (const wish of wanted) {
    // A question that the user has closed must not come back for each device.
    if (failure !== null && asRoomError(failure, wish.kind).code === "device_dismissed" && !(await isGranted(wish.kind))) {
      wish.reject(asRoomError(failure, wish.kind));
      continue;
    }
    await openOne(wish).then(wish.resolve, (error: unknown) => wish.reject(asRoomError(error, wish.kind)));
  }
}

async function isGranted(kind: DeviceKind): Promise<boolean> {
  const permissions = navigator.permissions as Permissions | undefined;
  // Not every browser knows these names.
  const status = await permissions?.query({ name: kind }).catch(() => null);
  return status?.state === "granted";
}

async function openOne(wish: Wish): Promise<MediaStreamTrack> {
  try {
    return await capture(wish);
  } catch (error) {
    if (wish.deviceId !== undefined && asRoomError(error, wish.kind).code === "device_missing") {
      return await capture({ ...wish, deviceId: undefined });
    }
    throw error;
  }
}

function constraints({ kind, deviceId, wanted }: Wish): MediaStreamConstraints {
  const device = deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
  const track: MediaTrackConstraints = { ...DEFAULTS[kind], ...wanted, ...device };
  return kind === "microphone" ? { audio: track } : { video: track };
}

async function capture(wish: Wish): Promise<MediaStreamTrack> {
  const track = trackOf(await getUserMedia(constraints(wish)), wish.kind);
  if (track === null) {
    throw new RoomError("device_missing", "the browser gave no track", { device: wish.kind });
  }
  return track;
}

async function getUserMedia(wanted: MediaStreamConstraints): Promise<MediaStream> {
  const devices = mediaDevices();
  if (devices?.getUserMedia === undefined) {
    // Some browsers within other apps lack it on a secure page, too.
    throw new DOMException("getUserMedia is absent", globalThis.location?.protocol === "https:" ? "NoDevices" : "InsecureContext");
  }
  return await devices.getUserMedia(wanted);
}

function trackOf(stream: MediaStream | null, kind: DeviceKind): MediaStreamTrack | null {
  const tracks = kind === "microphone" ? stream?.getAudioTracks() : stream?.getVideoTracks();
  return tracks?.[0] ?? null;
}

function asRoomError(error: unknown, device: DeviceKind): RoomError {
  if (error instanceof RoomError) {
    return error;
  }
  // Older browsers' OverconstrainedError is no DOMException.
  const { name = "", constraint = "" } = (error ?? {}) as Partial<OverconstrainedError>;
  const isGone = name === "OverconstrainedError" && ["", "deviceId"].includes(constraint);
  const isDenied = name === "NotAllowedError" || name === "SecurityError";
  const code = isGone ? "device_missing" : isDenied ? denied(error, device) : (ERROR_CODES[name] ?? "device_busy");
  return new RoomError(code, String(error), { cause: error, device });
}

function denied(error: unknown, device: DeviceKind): ClientErrorCode {
  // The user has closed the question.
  return String(error).includes("dismissed") ? "device_dismissed" : `device_${denialOf(error, device)}`;
}

// Absent if the page is not a secure context, despite the type.
function mediaDevices(): Partial<MediaDevices> | undefined {
  return navigator.mediaDevices as Partial<MediaDevices> | undefined;
}
