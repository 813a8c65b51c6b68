import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DirectInfo } from "../protocol.gen";
import { DirectMedia } from "./direct-media";
import { FakeConnection, FakeEdge } from "./peers.fixture";
import { RETURN_MS, TRY_MS } from "./switching";

beforeEach(() => {
  FakeConnection.all.length = 0;
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const MEDIA = [{ type: "inbound-rtp", kind: "video", framesDecoded: 3 }, { type: "inbound-rtp", kind: "audio", packetsReceived: 9 }];

/** Two participants in one room, and the node's media that each receives. */
function pair() {
  const edge = new FakeEdge();
  const side = (name: string) => {
    const held: boolean[] = [];
    const host = {
      room: edge.join(name),
      iceTransportPolicy: "all" as const,
      tracks: () => [],
      expected: () => ["microphone", "camera"] as const,
      nodeMedia: async () => own.node,
      hold: (isHeld: boolean) => void held.push(isHeld),
      changed: () => undefined,
    };
    const own = { name, held, node: 0, media: new DirectMedia(host) };
    return own;
  };
  const sides = [side("ada"), side("bob")] as const;
  const tell = (direct: DirectInfo | null) => sides.forEach(({ name, media }) => media.told(direct, name));
  return { edge, sides, tell };
}

const info = (number: number, up: boolean): DirectInfo => ({ number, participants: ["ada", "bob"], up });
const track = (kind: string) => ({ kind, id: kind }) as unknown as MediaStreamTrack;

/** Connects all open connections, over which all media arrives. */
async function connect(): Promise<void> {
  await vi.advanceTimersByTimeAsync(500);
  for (const connection of FakeConnection.all.filter(({ connectionState }) => connectionState === "new")) {
    connection.ontrack?.({ track: track("audio"), streams: [{}] });
    connection.ontrack?.({ track: track("video"), streams: [{}] });
    connection.stats = MEDIA;
    connection.becomes("connected");
  }
  await vi.advanceTimersByTimeAsync(500);
}

test("both connect, show what arrives, report it, and send nothing to the node once both do", async () => {
  const { edge, sides, tell } = pair();
  tell(info(1, false));
  expect(sides.map(({ media }) => media.track("bob", "camera") ?? media.track("ada", "camera"))).toEqual([null, null]);
  await connect();
  expect(edge.reports.sort()).toEqual(["ada: 1 up", "bob: 1 up"]);
  expect(sides[0].media.track("bob", "camera")).toMatchObject({ kind: "video" });
  expect(sides[1].media.audioTracks()).toMatchObject([{ kind: "audio" }]);
  expect(sides.map(({ held }) => held)).toEqual([[], []]);
  tell(info(1, true));
  expect(sides.map(({ held }) => held)).toEqual([[true], [true]]);
  // A device that changes is sent to the other participant.
  sides[0].media.replace("camera", track("video"));
  expect(FakeConnection.all.flatMap(({ replaced }) => replaced)).toHaveLength(1);

  // The way back: the node gets media first, and the direct media stays until the node's arrives.
  tell(null);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sides.map(({ held }) => held)).toEqual([[true, false], [true, false]]);
  expect(sides[0].media.track("bob", "camera")).not.toBeNull();
  sides[0].node = 1;
  await vi.advanceTimersByTimeAsync(200);
  expect(sides.map(({ media }) => media.audioTracks().length)).toEqual([0, 1]);
  await vi.advanceTimersByTimeAsync(RETURN_MS);
  expect(sides[1].media.audioTracks()).toEqual([]);
  expect(FakeConnection.all.every(({ connectionState }) => connectionState === "closed")).toBe(true);
});

test("media that does not arrive is reported, and the node keeps getting it", async () => {
  const { edge, sides, tell } = pair();
  tell(info(1, false));
  await vi.advanceTimersByTimeAsync(TRY_MS + 500);
  expect(edge.reports.sort()).toEqual(["ada: 1 failed", "bob: 1 failed"]);
  expect(sides.map(({ held }) => held)).toEqual([[], []]);
  expect(FakeConnection.all.every(({ connectionState }) => connectionState === "closed")).toBe(true);
});

test("a lost connection shows the node's media at once", async () => {
  const { edge, sides, tell } = pair();
  tell(info(1, false));
  await connect();
  tell(info(1, true));
  const [first] = FakeConnection.all;
  ["failed", "failed", "failed", "failed"].forEach(() => first?.becomes("failed"));
  const lost = sides.find(({ held }) => held.at(-1) === false);
  expect(lost?.media.audioTracks()).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(edge.reports.filter((line) => line.endsWith("failed"))).toHaveLength(1);
  sides.forEach(({ media }) => media.close());
});
