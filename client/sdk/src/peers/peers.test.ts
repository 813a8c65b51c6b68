import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PeerSignal } from "../protocol.gen";
import type { PeerMessage } from "../state";
import type { PeersRoom } from "./peers";
import { Peers } from "./peers";
import { FakeConnection, FakeEdge } from "./peers.fixture";

beforeEach(() => {
  FakeConnection.all.length = 0;
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const STREAM = { getTracks: () => [{ kind: "video" }] } as unknown as MediaStream;

function watch(peers: Peers): string[] {
  const log: string[] = [];
  peers.on("log", (line) => log.push(line));
  return log;
}

// Holds S4-SM-01, S0-MED-03, S2-CLI-05.
test("receivers seek, the broadcaster offers to each, and every state is logged", async () => {
  const edge = new FakeEdge();
  const [studio, hall, foyer] = ["studio", "hall", "foyer"].map((name) => new Peers(edge.join(name)));
  const [log, heard] = [watch(studio as Peers), watch(hall as Peers)];
  const onRemoteStream = vi.fn();
  hall?.on("stream", onRemoteStream);
  studio?.broadcast(STREAM);
  hall?.receive();
  await vi.advanceTimersByTimeAsync(100);
  foyer?.receive();
  await vi.advanceTimersByTimeAsync(100);
  expect(edge.passed).toEqual([
    "hall: seek",
    "studio → hall: offer",
    "hall → studio: answer",
    "foyer: seek",
    "studio → foyer: offer",
    "foyer → studio: answer",
  ]);
  const [toHall, ofHall] = FakeConnection.all;
  expect(toHall?.configuration).toMatchObject({ iceCandidatePoolSize: 10, bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
  expect([toHall?.remote?.sdp, ofHall?.remote?.sdp]).toEqual(["answer of 1", "offer of 0"]);
  ofHall?.ontrack?.({ track: {}, streams: [STREAM] });
  expect(onRemoteStream).toHaveBeenCalledWith({ from: "studio", stream: STREAM });
  for (const state of ["connecting", "connected", "disconnected", "failed"] as const) {
    ofHall?.becomes(state);
    toHall?.becomes(state);
  }
  // A failed connection is tried again: the broadcaster restarts it, and the receiver asks for that.
  expect(toHall?.restarts).toBe(1);
  for (const state of ["connecting", "connected", "disconnected", "failed"]) {
    expect(log).toContain(`hall: ${state}`);
    expect(heard).toContain(`studio: ${state}`);
  }
  await vi.advanceTimersByTimeAsync(100);
  expect(heard).toContain("→ studio: request_offer");
  // It stays lost, so its resources are released, and the receiver seeks again.
  [ofHall, ofHall, ofHall].forEach((connection) => connection?.becomes("failed"));
  expect(ofHall?.connectionState).toBe("closed");
  expect(heard.some((line) => line.startsWith("studio: over"))).toBe(true);
  await vi.advanceTimersByTimeAsync(100);
  expect(edge.passed.filter((line) => line === "hall: seek")).toHaveLength(2);
  [studio, hall, foyer].forEach((peers) => peers?.close());
  expect(FakeConnection.all.every(({ connectionState }) => connectionState === "closed")).toBe(true);
});

test("a receiver seeks until somebody broadcasts, and again when the broadcaster is gone", async () => {
  const edge = new FakeEdge();
  const room = edge.join("hall");
  const hall = new Peers(room);
  hall.receive();
  await vi.advanceTimersByTimeAsync(11_000);
  expect(edge.passed).toEqual(["hall: seek", "hall: seek", "hall: seek"]);
  const studio = new Peers(edge.join("studio"));
  studio.broadcast(STREAM);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(hall.link("studio")).not.toBeNull();
  const before = edge.passed.length;
  await vi.advanceTimersByTimeAsync(6_000);
  expect(edge.passed.slice(before).filter((line) => line === "hall: seek")).toEqual([]);
  studio.close();
  room.leaves("studio");
  await vi.advanceTimersByTimeAsync(10);
  expect(hall.link("studio")).toBeNull();
  expect(edge.passed.at(-1)).toBe("hall: seek");
  hall.close();
});

test("a message that arrives twice, or belongs to an earlier connection, changes nothing", async () => {
  const edge = new FakeEdge();
  let hear: (message: PeerMessage) => void = () => undefined;
  const room = { ...edge.join("hall"), on: ((event: string, listener: typeof hear) => {
    if (event === "peer_message") {
      hear = listener;
    }
    return () => undefined;
  }) as PeersRoom["on"] };
  const hall = new Peers(room);
  hall.receive();
  const told = (message: string, link: number, signal: PeerSignal): PeerMessage => ({
    type: "signaled", from: "studio", device: "d", sent_at: 1, to: "hall", message, link, signal,
  });
  hear(told("1", 2 ** 31 + 5, { kind: "offer", sdp: "first" }));
  await vi.advanceTimersByTimeAsync(10);
  hear(told("1", 2 ** 31 + 5, { kind: "offer", sdp: "first" }));
  hear(told("2", 2 ** 31 + 4, { kind: "candidates", candidates: [{ candidate: "c", mid: "0" }] }));
  await vi.advanceTimersByTimeAsync(10);
  expect(FakeConnection.all).toHaveLength(1);
  expect(FakeConnection.all[0]?.candidates).toEqual([]);
  hear(told("3", 2 ** 31 + 5, { kind: "candidates", candidates: [{ candidate: "c", mid: "0", ufrag: "u" }] }));
  expect(FakeConnection.all[0]?.candidates).toEqual([{ candidate: "c", sdpMid: "0", usernameFragment: "u" }]);
  hall.close();
});
