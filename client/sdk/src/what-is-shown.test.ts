import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { random } from "./backoff";
import type { FakeEdge } from "./call.fixture";
import { devices, endCalls, startCalls, token, uplink } from "./call.fixture";
import { Room } from "./room";

let edge: FakeEdge;
beforeEach(() => {
  edge = startCalls();
});
afterEach(endCalls);

const SEEDS = 40;
const MOVES = 40;

/** One call with random presses, interruptions, losses and moderators. */
async function play(seed: number): Promise<void> {
  let state = seed;
  const pick = (count: number): number => {
    const [value, next] = random(state);
    state = next;
    return Math.floor(value * count);
  };
  const joining = Room.join({ url: "ws://edge/v1/rooms/x/socket", token: () => Promise.resolve(token()), microphone: pick(2) === 0, camera: pick(2) === 0 });
  await vi.advanceTimersByTimeAsync(1_000);
  const room = await joining;
  const moves: readonly (readonly [string, () => unknown])[] = [
    ["microphone", () => void room.setMicrophone(pick(2) === 0).catch(() => undefined)],
    ["camera", () => void room.setCamera(pick(2) === 0).catch(() => undefined)],
    ["other device", () => void room.switchDevice(pick(2) === 0 ? "microphone" : "camera", `d${pick(3)}`).catch(() => undefined)],
    ["slow devices", () => (devices.opensMs = pick(3) * 300)],
    ["new tracks held", () => (devices.isHeld = pick(3) === 0)],
    ["held", () => devices.tracks[pick(devices.tracks.length)]?.hold(true)],
    ["freed", () => devices.tracks[pick(devices.tracks.length)]?.hold(false)],
    ["moderator", () => edge.moderate(String(pick(2)))],
    ["deployment", () => edge.deploy()],
    ["lost answer", () => (edge.losesNextAnswer = true)],
    ["uplink", () => (uplink.availableBps = pick(2) === 0 ? 20_000 : 5_000_000)],
    ["page hidden", () => window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }))],
    ["page shown", () => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }))],
    ["time", () => undefined],
  ];
  const done: string[] = [];
  for (let count = 0; count < MOVES; count += 1) {
    const [name, move] = moves[pick(moves.length)] ?? ["", () => undefined];
    done.push(name);
    move();
    await vi.advanceTimersByTimeAsync(pick(4) === 0 ? pick(8_000) : pick(200));
  }
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  uplink.availableBps = 5_000_000;
  await vi.advanceTimersByTimeAsync(180_000);
  const what = `seed ${seed}: ${done.join(", ")}`;
  const { microphone, camera, isAudioOnly } = room.snapshot;
  expect([room.connection, isAudioOnly], what).toEqual(["connected", false]);
  expect(edge.muted, what).toEqual({ "0": !microphone.on, "1": !camera.on });
  const hot = devices.tracks.filter(({ readyState, enabled, muted }) => readyState === "live" && enabled && !muted);
  const shown = [...(microphone.on ? ["audio"] : []), ...(camera.on ? ["video"] : [])];
  expect(hot.map(({ kind }) => kind).sort(), what).toEqual(shown);
  await Promise.all([room.leave(), vi.advanceTimersByTimeAsync(1_000)]);
  expect(devices.tracks.filter(({ readyState }) => readyState === "live"), what).toEqual([]);
}

test("whatever happens to a call, in the end the bar, the devices and the room agree", async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    edge = startCalls();
    await play(seed);
    endCalls();
  }
}, 60_000);
