import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventStream } from "./event-stream";

interface Posted {
  readonly url: string;
  readonly body: string;
  answer(status: number, headers?: Record<string, string>): void;
}

let posted: Posted[];
let heard: string[];
let say: (text: string) => void;
let isStreamOpen: boolean;

beforeEach(() => {
  [posted, heard] = [[], []];
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    if (init.method === "POST") {
      return new Promise((resolve) => {
        const answer = (status: number, headers: Record<string, string> = {}): void =>
          resolve(new Response(status === 204 ? null : "{}", { status, headers }));
        posted.push({ url, body: String(init.body), answer });
      });
    }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        say = (text) => controller.enqueue(new TextEncoder().encode(text));
        isStreamOpen = true;
        init.signal?.addEventListener("abort", () => {
          isStreamOpen = false;
          controller.error(new DOMException("aborted", "AbortError"));
        });
      },
    });
    return Promise.resolve(new Response(body));
  });
});
afterEach(() => vi.unstubAllGlobals());

async function opened(): Promise<EventStream> {
  const stream = new EventStream("https://edge.example/events", "Bearer a.b.c", {
    opened: () => heard.push("opened"),
    closed: (code) => heard.push(`closed ${code}`),
    frame: (text) => heard.push(text),
  });
  await Promise.resolve();
  say("event: open\ndata: key\n\n");
  await vi.waitFor(() => expect(heard).toEqual(["opened"]));
  return stream;
}

const bodies = (): string[] => posted.map(({ url, body }) => `${url.replace(/.*events/, "")} ${body}`);

test("frames wait for the request before theirs, and then go together", async () => {
  const stream = await opened();
  ["one", "two", "three"].forEach((frame) => stream.send(frame));
  expect(bodies()).toEqual([" one"]);
  posted[0]?.answer(204);
  await vi.waitFor(() => expect(bodies()).toEqual([" one", " two\nthree"]));
});

test("a crowded edge gets the same frames again, after the pause that it asks for", async () => {
  const stream = await opened();
  stream.send("one");
  posted[0]?.answer(429, { "Retry-After": "0.02" });
  await vi.waitFor(() => expect(bodies()).toEqual([" one", " one"]));
});

test("frames that the edge does not take end the connection", async () => {
  const stream = await opened();
  stream.send("one");
  posted[0]?.answer(404);
  await vi.waitFor(() => expect(heard).toEqual(["opened", "closed 1006"]));
});

test("closing waits for the frames on their way, sends the others with the code, and reports nothing", async () => {
  const stream = await opened();
  stream.send("react");
  stream.send("leave");
  stream.close(1000);
  await Promise.resolve();
  expect(bodies()).toEqual([" react"]);
  posted[0]?.answer(204);
  await vi.waitFor(() => expect(bodies()).toEqual([" react", "?close=1000 leave"]));
  say("event: message\ndata: a frame that comes too late\n\n");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isStreamOpen).toBe(true);
  posted[1]?.answer(204);
  await vi.waitFor(() => expect(isStreamOpen).toBe(false));
  expect(heard).toEqual(["opened"]);
  expect(posted).toHaveLength(2);
});

test("a page that goes away says so; one that may come back does not", async () => {
  await opened();
  const hide = (persisted: boolean): boolean =>
    window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
  hide(true);
  expect(bodies()).toEqual([]);
  hide(false);
  expect(bodies()).toEqual(["?close=1001 "]);
});

test("a page that goes away sends its code at once, without frames that are on their way or too large", async () => {
  const stream = await opened();
  stream.send("join");
  stream.send("x".repeat(200_000));
  window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
  expect(bodies()).toEqual([" join", "?close=1001 "]);
});

test("a large frame goes alone", async () => {
  const stream = await opened();
  stream.send("one");
  stream.send("x".repeat(400_000));
  stream.send("three");
  posted[0]?.answer(204);
  await vi.waitFor(() => expect(posted).toHaveLength(2));
  posted[1]?.answer(204);
  await vi.waitFor(() => expect(posted).toHaveLength(3));
  expect(posted.map(({ body }) => body.length)).toEqual([3, 400_000, 5]);
});
