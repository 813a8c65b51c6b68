import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TOO_SLOW_FOR_MS, VIDEO_BPS_MIN } from "./audio-only";
import type { FakeEdge } from "./call.fixture";
import { endCalls, startCalls, token, uplink } from "./call.fixture";
import { Room } from "./room";

/** The camera is offered after the microphone. */
const CAMERA_MID = "1";

let edge: FakeEdge;
beforeEach(() => {
  edge = startCalls();
});
afterEach(endCalls);

test("a camera that the uplink pauses is not published as on because the user turns it off and on", async () => {
  const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: token(), camera: true });
  await vi.advanceTimersByTimeAsync(1_000);
  const room = await joining;
  expect(edge.muted[CAMERA_MID]).toBe(false);
  uplink.availableBps = VIDEO_BPS_MIN / 2;
  await vi.advanceTimersByTimeAsync(TOO_SLOW_FOR_MS + 2_000);
  expect([room.snapshot.isAudioOnly, edge.muted[CAMERA_MID]]).toEqual([true, true]);
  // Between two readings of the statistics.
  void room.setCamera(false);
  void room.setCamera(true);
  await vi.advanceTimersByTimeAsync(200);
  expect([room.snapshot.camera.on, edge.muted[CAMERA_MID]]).toEqual([true, true]);
  uplink.availableBps = 10 * VIDEO_BPS_MIN;
  await vi.advanceTimersByTimeAsync(60_000);
  expect([room.snapshot.isAudioOnly, edge.muted[CAMERA_MID]]).toEqual([false, false]);
  await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
});
