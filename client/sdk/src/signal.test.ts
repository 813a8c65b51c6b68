import { afterEach, expect, test, vi } from "vitest";
import { RoomError } from "./errors";
import type { TokenSource } from "./signal";
import { Signal, roomUrl } from "./signal";
import { WebSocketLink } from "./web-socket";

afterEach(() => vi.unstubAllGlobals());

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

/** Records the tried transports and the results; `works` tells which of them reach the edge. */
function network(works: { socket: boolean; events: boolean; status?: number }) {
  const tried: string[] = [];
  const untraced = (url: string): string => url.replace(/\?traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/, "");
  class FakeSocket {
    static readonly OPEN = 1;
    readyState = 0;
    onopen: (() => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    onmessage: unknown = null;
    constructor(url: string, protocols: string[]) {
      tried.push(`${untraced(url)} ${protocols.join()}`);
      queueMicrotask(() => (works.socket ? this.onopen?.() : this.onclose?.({ code: 1006 })));
    }
    send(): void {}
    close(): void {}
  }
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("fetch", async (url: string, { headers }: { headers: Record<string, string> }) => {
    tried.push(`${untraced(url)} ${headers["Authorization"]}`);
    if (!works.events) {
      throw new TypeError("Failed to fetch");
    }
    if (works.status !== undefined) {
      return Response.json({ code: "rate_limited" }, { status: works.status });
    }
    return new Response("event: open\ndata: key\n\nevent: close\ndata: 1011\n\n");
  });
  return tried;
}

/** Opens until the connection is open, or as often as a user would wait for. */
async function attempts(signal: Signal, heard: string[], count: number): Promise<void> {
  for (let attempt = 0; attempt < count; attempt += 1) {
    signal.open(attempt === 0 ? null : "secret");
    await vi.waitFor(() => expect(heard.filter((what) => what !== "opened").length).toBeGreaterThan(attempt));
  }
}

function signalTo(heard: string[], token: TokenSource = "a.b.c"): Signal {
  return new Signal(roomUrl("https://edge.example", "daily"), token, TRACE_ID, {
    opened: () => heard.push("opened"),
    closed: (code) => heard.push(`closed ${code}`),
    frame: (text) => heard.push(text),
    tokenUnavailable: ({ code, detail }) => heard.push(`${code}: ${detail}`),
  });
}

// Holds S2-SIG-03.
test("where no WebSocket gets through, each connection costs one attempt with one, and the next uses events", async () => {
  const [tried, heard] = [network({ socket: false, events: true }), [] as string[]];
  await attempts(signalTo(heard), heard, 4);
  expect(tried).toEqual([
    "wss://edge.example/v1/rooms/daily/socket rotunda.v1,token.a.b.c",
    "https://edge.example/v1/rooms/daily/events Resume secret",
    "wss://edge.example/v1/rooms/daily/socket rotunda.v1,resume.secret",
    "https://edge.example/v1/rooms/daily/events Resume secret",
  ]);
  expect(heard).toEqual(["closed 1006", "opened", "closed 1011", "closed 1006", "opened", "closed 1011"]);
});

test("where nothing gets through, both are tried in turn", async () => {
  const [tried, heard] = [network({ socket: false, events: false }), [] as string[]];
  await attempts(signalTo(heard), heard, 4);
  expect(ways(tried)).toEqual(["wss", "http", "wss", "http"]);
});

test("a client whose WebSocket has worked tries it three times, and comes back to it", async () => {
  const works = { socket: true, events: true };
  const [tried, heard] = [network(works), [] as string[]];
  const signal = signalTo(heard);
  signal.open(null);
  await vi.waitFor(() => expect(heard).toEqual(["opened"]));
  works.socket = false;
  heard.length = 0;
  await attempts(signal, heard, 4);
  works.socket = true;
  signal.open("secret");
  expect(ways(tried)).toEqual(["wss", "wss", "wss", "wss", "http", "wss"]);
});

test("an edge that is too busy for events gets no WebSocket that the network blocks", async () => {
  const works = { socket: false, events: true, status: 429 };
  const [tried, heard] = [network(works), [] as string[]];
  const signal = signalTo(heard);
  await attempts(signal, heard, 4);
  expect(ways(tried)).toEqual(["wss", "http", "http", "http"]);
});

function ways(tried: readonly string[]): string[] {
  return tried.map((what) => (what.startsWith("wss") ? "wss" : "http"));
}

test.each([
  ["a RoomError of its own", new RoomError("banned", "for an hour"), "banned: for an hour"],
  ["any other error", new Error("503"), "token_unavailable: Error: 503"],
])("a source of tokens that fails with %s says why there is no connection", async (_, error, expected) => {
  const [tried, heard] = [network({ socket: true, events: true }), [] as string[]];
  signalTo(heard, () => Promise.reject(error)).open(null);
  await vi.waitFor(() => expect(heard).toEqual([expected]));
  expect(tried).toEqual([]);
});

// Holds S4-SIG-08.
test("frames are sent only while the WebSocket is open", () => {
  const sent: string[] = [];
  const fake = { readyState: 0, send: (text: string) => void sent.push(text), close: () => undefined };
  vi.stubGlobal("WebSocket", Object.assign(function open() { return fake; }, { OPEN: 1 }));
  const link = new WebSocketLink("wss://edge.example/v1/rooms/daily/socket", "token.a", { opened: () => undefined, closed: () => undefined, frame: () => undefined });
  for (const [name, readyState] of Object.entries({ connecting: 0, open: 1, closing: 2, closed: 3 })) {
    fake.readyState = readyState;
    link.send(name);
  }
  expect(sent).toEqual(["open"]);
});
