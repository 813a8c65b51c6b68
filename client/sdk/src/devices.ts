/** Microphones, cameras and speakers: what there is, and opening one with errors that a person understands. */
import { RoomError } from "./errors";
import type { ClientErrorCode } from "./errors";

/** What can be captured. */
export type DeviceKind = "microphone" | "camera";

/** One device that the user can choose. */
export interface Device {
  readonly id: string;
  readonly label: string;
}

/** All devices; the labels are empty until the user has allowed to capture something. */
export interface Devices {
  readonly microphones: readonly Device[];
  readonly cameras: readonly Device[];
  readonly speakers: readonly Device[];
}

/** How pictures are captured. */
export interface CameraSize {
  readonly width: number;
  readonly height: number;
}

const CAMERA_SIZE: CameraSize = { width: 1280, height: 720 };
const FRAMES_PER_SECOND_MAX = 30;

const ERROR_CODES: Readonly<Record<string, ClientErrorCode>> = {
  NotAllowedError: "device_denied",
  SecurityError: "device_denied",
  NotFoundError: "device_missing",
  OverconstrainedError: "device_missing",
  NotReadableError: "device_busy",
  AbortError: "device_busy",
};

/** Lists what there is. */
export async function listDevices(): Promise<Devices> {
  const all = (await mediaDevices()?.enumerateDevices()) ?? [];
  const of = (kind: MediaDeviceKind): Device[] =>
    all.filter((device) => device.kind === kind).map(({ deviceId: id, label }) => ({ id, label }));
  return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
}

/** Calls `listener` whenever a device is plugged in or out; calling the result stops that. */
export function onDevicesChanged(listener: () => void): () => void {
  const devices = mediaDevices();
  devices?.addEventListener("devicechange", listener);
  return () => devices?.removeEventListener("devicechange", listener);
}

/** Opens one device; a chosen one that is gone is replaced by the default. Throws a `RoomError`. */
export async function openDevice(
  kind: DeviceKind,
  deviceId?: string,
  size: CameraSize = CAMERA_SIZE,
): Promise<MediaStreamTrack> {
  const constraints = (id: string | undefined): MediaStreamConstraints =>
    kind === "microphone" ? { audio: microphoneConstraints(id) } : { video: cameraConstraints(id, size) };
  try {
    return await capture(constraints(deviceId));
  } catch (error) {
    const failure = asRoomError(error);
    if (deviceId !== undefined && failure.code === "device_missing") {
      return await capture(constraints(undefined)).catch((again: unknown) => {
        throw asRoomError(again);
      });
    }
    throw failure;
  }
}

/** Which devices to open: none, the default or a chosen one. */
export type DeviceWish = boolean | { readonly deviceId: string };

/** What was opened, and what stood in the way of the rest. */
export interface OpenedDevices {
  readonly microphone: MediaStreamTrack | null;
  readonly camera: MediaStreamTrack | null;
  readonly error: RoomError | null;
}

/** Opens a microphone and a camera with one question to the user; what cannot be had does not stop the other. */
export async function openDevices(wishes: Record<DeviceKind, DeviceWish>, size = CAMERA_SIZE): Promise<OpenedDevices> {
  const { microphone, camera } = wishes;
  if (microphone !== false && camera !== false) {
    try {
      const audio = microphoneConstraints(idOf(microphone));
      const stream = await mediaDevices()?.getUserMedia({ audio, video: cameraConstraints(idOf(camera), size) });
      const [sound, pictures] = [stream?.getAudioTracks()[0], stream?.getVideoTracks()[0]];
      return { microphone: sound ?? null, camera: pictures ?? null, error: null };
    } catch {
      // One of the two is the reason: asked for one by one, the other may still be had.
    }
  }
  let error: RoomError | null = null;
  const open = async (kind: DeviceKind): Promise<MediaStreamTrack | null> => {
    try {
      return wishes[kind] === false ? null : await openDevice(kind, idOf(wishes[kind]), size);
    } catch (reason) {
      error ??= asRoomError(reason);
      return null;
    }
  };
  const [sound, pictures] = [await open("microphone"), await open("camera")];
  return { microphone: sound, camera: pictures, error };
}

function idOf(wish: DeviceWish): string | undefined {
  return typeof wish === "object" ? wish.deviceId : undefined;
}

function microphoneConstraints(deviceId: string | undefined): MediaTrackConstraints {
  return { ...exactly(deviceId), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

function cameraConstraints(deviceId: string | undefined, { width, height }: CameraSize): MediaTrackConstraints {
  return {
    ...exactly(deviceId),
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: FRAMES_PER_SECOND_MAX, max: FRAMES_PER_SECOND_MAX },
  };
}

function exactly(deviceId: string | undefined): MediaTrackConstraints {
  return deviceId === undefined ? {} : { deviceId: { exact: deviceId } };
}

async function capture(constraints: MediaStreamConstraints): Promise<MediaStreamTrack> {
  const stream = await mediaDevices()?.getUserMedia(constraints);
  const [track] = stream?.getTracks() ?? [];
  if (track === undefined) {
    throw new RoomError("device_missing", "this page has no access to devices (not a secure context?)");
  }
  return track;
}

function asRoomError(error: unknown): RoomError {
  if (error instanceof RoomError) {
    return error;
  }
  const name = error instanceof DOMException ? error.name : "";
  return new RoomError(ERROR_CODES[name] ?? "device_busy", String(error), { cause: error });
}

// Absent where the page is not a secure context, whatever the type says.
function mediaDevices(): MediaDevices | undefined {
  return navigator.mediaDevices as MediaDevices | undefined;
}
