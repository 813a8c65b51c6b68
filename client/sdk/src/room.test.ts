import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Capture } from "./capture";
import { Room } from "./room";

/** Everything that a join may open, with its state. */
const opened: { sockets: FakeSocket[]; connections: FakeConnection[]; tracks: FakeTrack[]; answers: (() => void)[] } = {
  sockets: [],
  connections: [],
  tracks: [],
  answers: [],
};

class FakeSocket {
  static readonly OPEN = 1;
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(
    readonly url: string,
    readonly protocols: readonly string[],
  ) {
    opened.sockets.push(this);
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  send(): void {
  }
  close(): void {
    this.readyState = 3;
  }
}

class FakeConnection {
  connectionState = "new";
  constructor() {
    opened.connections.push(this);
  }
  addTransceiver(): object {
    return {
      mid: null,
      direction: "sendonly",
      sender: { replaceTrack: () => Promise.resolve() },
      receiver: { track: {} },
      setCodecPreferences: () => undefined,
    };
  }
  createOffer(): Promise<object> {
    return Promise.resolve({ type: "offer", sdp: "" });
  }
  getTransceivers(): object[] {
    return [];
  }
  close(): void {
    this.connectionState = "closed";
  }
}

class FakeTrack {
  readyState = "live";
  enabled = true;
  constructor(readonly kind: "audio" | "video") {
    opened.tracks.push(this);
  }
  getSettings(): object {
    return {};
  }
  stop(): void {
    this.readyState = "ended";
  }
}

function streamOf({ audio, video }: MediaStreamConstraints): object {
  const sound = audio === undefined ? [] : [new FakeTrack("audio")];
  const pictures = video === undefined ? [] : [new FakeTrack("video")];
  return { getAudioTracks: () => sound, getVideoTracks: () => pictures, getTracks: () => [...sound, ...pictures] };
}

beforeEach(() => {
  Object.values(opened).forEach((list) => list.splice(0));
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: [] }) });
  vi.stubGlobal("window", new EventTarget());
  const devices = {
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    enumerateDevices: () => Promise.resolve([]),
    getUserMedia: (wanted: MediaStreamConstraints) =>
      new Promise((resolve) => opened.answers.push(() => resolve(streamOf(wanted)))),
  };
  vi.stubGlobal("navigator", { userAgent: "", mediaDevices: devices });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function stillOpen(): { sockets: number; connections: number; tracks: number } {
  return {
    sockets: opened.sockets.filter(({ readyState }) => readyState < 2).length,
    connections: opened.connections.filter(({ connectionState }) => connectionState !== "closed").length,
    tracks: opened.tracks.filter(({ readyState }) => readyState === "live").length,
  };
}

/** Lets all pending promises settle. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

async function answerDevices(): Promise<void> {
  await settle();
  opened.answers.splice(0).forEach((answer) => answer());
  await settle();
}

const options = { url: "ws://edge/v1/rooms/x/socket", token: () => Promise.resolve("a.b.c"), microphone: true, camera: true };

// Holds S-A7-15.
test("the trace is in the URL, and the token is not", async () => {
  const leave = new AbortController();
  const joined = Room.join({ ...options, signal: leave.signal }).catch(() => undefined);
  await settle();
  expect(opened.sockets.map(({ protocols }) => protocols)).toEqual([["rotunda.v1", "token.a.b.c"]]);
  expect(opened.sockets[0]?.url).toMatch(/^ws:\/\/edge\/v1\/rooms\/x\/socket\?traceparent=00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  leave.abort();
  await vi.advanceTimersByTimeAsync(1_000);
  await joined;
});

describe("a page in the browser's back/forward cache", () => {
  const turn = (name: "pagehide" | "pageshow", persisted: boolean): void => {
    window.dispatchEvent(Object.assign(new Event(name), { persisted }));
  };

  async function joining(): Promise<() => Promise<void>> {
    const controller = new AbortController();
    const joined = Room.join({ ...options, signal: controller.signal }).catch(() => undefined);
    await settle();
    opened.sockets[0]?.open();
    await answerDevices();
    return async () => {
      controller.abort();
      await vi.advanceTimersByTimeAsync(1_000);
      await joined;
      expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
    };
  }

  test("captures nothing and is connected to nothing; what was on comes back with it", async () => {
    const leave = await joining();
    expect(stillOpen()).toEqual({ sockets: 1, connections: 1, tracks: 2 });
    turn("pagehide", true);
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
    turn("pageshow", true);
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 1, connections: 1, tracks: 2 });
    await leave();
  });

  test("stops a device that opens after it was hidden", async () => {
    const controller = new AbortController();
    const joined = Room.join({ ...options, signal: controller.signal }).catch(() => undefined);
    await settle();
    turn("pagehide", true);
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
    controller.abort();
    await joined;
  });

  test("is none where the browser discards the page, which it does by itself", async () => {
    const leave = await joining();
    turn("pagehide", false);
    turn("pageshow", false);
    expect(stillOpen()).toEqual({ sockets: 1, connections: 1, tracks: 2 });
    await leave();
  });

  test("hears of nothing after the end", async () => {
    const leave = await joining();
    await leave();
    turn("pagehide", true);
    turn("pageshow", true);
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
  });
});

describe("a join that is given up", () => {

  async function join(until: "the token" | "the socket" | "the devices"): Promise<void> {
    const controller = new AbortController();
    const joined = Room.join({ ...options, signal: controller.signal });
    const outcome = joined.catch((error: unknown) => error);
    await settle();
    if (until !== "the token") {
      opened.sockets[0]?.open();
      await settle();
    }
    if (until === "the devices") {
      await answerDevices();
      expect(stillOpen()).toEqual({ sockets: 1, connections: 1, tracks: 2 });
    }
    controller.abort();
    // An open socket waits up to a second for the edge's confirmation.
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await outcome).toBe(controller.signal.reason);
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
  }

  test("before the socket is open leaves nothing", () => join("the token"));
  test("before the devices are open leaves nothing", () => join("the socket"));
  test("before the edge has answered leaves nothing", () => join("the devices"));

  test("before it begins does not begin", async () => {
    await expect(Room.join({ ...options, signal: AbortSignal.abort("why") })).rejects.toBe("why");
    expect(opened.sockets).toEqual([]);
  });

  /** Lends a previewed camera to a join, until `abort`. */
  async function lendsCamera(): Promise<{ camera: Capture; abort: () => Promise<void> }> {
    const camera = new Capture("camera", { on: true });
    camera.preview();
    await answerDevices();
    const controller = new AbortController();
    const joined = Room.join({ ...options, microphone: false, camera, signal: controller.signal }).catch(() => undefined);
    await settle();
    const abort = async (): Promise<void> => {
      controller.abort();
      await joined;
    };
    return { camera, abort };
  }

  test("gives the lobby its devices back", async () => {
    const { camera, abort } = await lendsCamera();
    await abort();
    expect(stillOpen().tracks).toBe(1);
    camera.rest();
    expect(stillOpen().tracks).toBe(0);
  });

  test("keeps the devices of a page that is gone while it runs, and no longer", async () => {
    const { camera, abort } = await lendsCamera();
    camera.abandon();
    await settle();
    expect(stillOpen().tracks).toBe(1);
    await abort();
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
  });

  test("by a page that has let its devices go opens none again", async () => {
    const { camera, abort } = await lendsCamera();
    camera.rest();
    await abort();
    await answerDevices();
    expect(stillOpen()).toEqual({ sockets: 0, connections: 0, tracks: 0 });
  });
});
