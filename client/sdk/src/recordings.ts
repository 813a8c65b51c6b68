/** Recordings of a room, over HTTP: they can be seen when nobody is in the room any more. */
import { RoomError } from "./errors";
import type { ErrorCode, ParticipantId, RecordingId, RecordingInfo } from "./protocol.gen";

/** A recording with what can be played of it. */
export interface Recording {
  readonly recording: RecordingInfo;
  readonly files: readonly RecordingFile[];
  /** What happened in the room, as JSON. */
  readonly manifest_url: string | null;
}

/** What one participant's camera and microphone, or screen and its sound, gave. */
export interface RecordingFile {
  readonly participant: ParticipantId;
  readonly name: string;
  readonly is_screen: boolean;
  readonly starts_ms: number;
  readonly duration_ms: number;
  readonly bytes: number;
  /** Signed; opens for an hour. */
  readonly url: string;
}

/** Every recording of a room, the newest first; needs a token that grants `record`. */
export async function listRecordings(edge: string, room: string, token: string): Promise<readonly Recording[]> {
  const response = await request(edge, room, "", token, "GET");
  return ((await response.json()) as { recordings: Recording[] }).recordings;
}

/** Deletes one with its files. */
export async function deleteRecording(edge: string, room: string, token: string, id: RecordingId): Promise<void> {
  await request(edge, room, `/${encodeURIComponent(id)}`, token, "DELETE");
}

async function request(edge: string, room: string, path: string, token: string, method: string): Promise<Response> {
  const url = new URL(`/v1/rooms/${encodeURIComponent(room)}/recordings${path}`, edge);
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method, headers }).catch((cause: unknown) => {
    throw new RoomError("unreachable", String(cause));
  });
  if (!response.ok) {
    const body = (await response.json().catch(() => ({}))) as { code?: ErrorCode };
    throw new RoomError(body.code ?? "internal", `HTTP ${response.status}`);
  }
  return response;
}
