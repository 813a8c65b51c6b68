import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FakeEdge } from "./call.fixture";
import { endCalls, startCalls, token } from "./call.fixture";
import type { EdgeToClient } from "./protocol.gen";
import { Room } from "./room";
import { GRACE } from "./state/client.fixture";

let edge: FakeEdge;
beforeEach(() => {
  edge = startCalls();
});
afterEach(endCalls);

const tell = (message: EdgeToClient): void => edge.sockets.forEach((socket) => socket.gets(message));

test("grants, role, attributes and spotlight follow the room", async () => {
  const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: () => Promise.resolve(token()), microphone: true, camera: true });
  await vi.advanceTimersByTimeAsync(1_000);
  const room = await joining;
  expect(room.self).toMatchObject({ role: "participant", attributes: {} });
  expect(room.self?.grants).toMatchObject({ microphone: true, moderate: false, admit: false });
  expect([room.snapshot.microphone.on, room.snapshot.spotlight]).toEqual([true, []]);
  const silenced = vi.fn();
  room.on("silenced", silenced);
  const grants = { publish: true, microphone: false, subscribe: true, chat: true, moderate: false, record: false, admit: true };
  const tracks = GRACE.tracks.map((track) => ({ ...track, muted: track.source === "microphone" }));
  tell({ type: "track_muted", mid: "0", held: true });
  tell({ type: "participant_updated", participant: { ...GRACE, role: "speaker", attributes: { role: "patient" }, grants, tracks } });
  tell({ type: "guests_waiting", guests: [{ participant: "gus", name: "Gus", since: 1 }] });
  tell({ type: "room_updated", room: { locked: false, metadata: "", participants_max: 5, spotlight: ["ada"] } });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(room.self).toMatchObject({ role: "speaker", attributes: { role: "patient" } });
  expect(room.self?.grants).toMatchObject({ microphone: false, camera: true });
  expect(room.snapshot.microphone.on, "a held microphone is off").toBe(false);
  expect(silenced).toHaveBeenCalledWith({ source: "microphone", isHeld: true });
  expect(room.snapshot.guests.map(({ name }) => name), "of those who may admit them").toEqual(["Gus"]);
  expect(room.snapshot.spotlight).toEqual(["ada"]);
});
