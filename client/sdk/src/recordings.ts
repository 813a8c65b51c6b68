/** Recordings of a room over HTTP, also available after the room has ended. */
import { RoomError } from "./errors";
import type { ErrorCode, Recording, RecordingId, RecordingList } from "./protocol.gen";

/** All recordings of a room, newest first; needs a token that grants `record`. */
export async function listRecordings(edge: string, room: string, token: string): Promise<readonly Recording[]> {
  const recordings: Recording[] = [];
  for (let page = ""; ; ) {
    const list = await listPage(edge, room, page, token);
    recordings.push(...list.recordings);
    if (list.next === undefined) {
      return recordings;
    }
    page = `?cursor=${encodeURIComponent(list.next)}`;
  }
}

/** Deletes a recording and all its files. */
export async function deleteRecording(edge: string, room: string, token: string, id: RecordingId): Promise<void> {
  await request(edge, room, `/${encodeURIComponent(id)}`, token, "DELETE");
}

async function listPage(edge: string, room: string, page: string, token: string): Promise<RecordingList> {
  try {
    return (await (await request(edge, room, page, token, "GET")).json()) as RecordingList;
  } catch (error) {
    // An unknown room has no recordings.
    if (error instanceof RoomError && error.code === "unknown_room") {
      return { recordings: [] };
    }
    throw error;
  }
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
