import { expect, test } from "vitest";
import { readEvents } from "./server-sent-events";

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      chunks.forEach((chunk) => controller.enqueue(chunk));
      controller.close();
    },
  });
}

async function read(chunks: readonly Uint8Array[]): Promise<string[]> {
  const events: string[] = [];
  for await (const { name, data } of readEvents(streamOf(chunks))) {
    events.push(`${name} ${data}`);
  }
  return events;
}

const TEXT = 'event: open\ndata: key\n\n:\n\nevent: message\ndata: {"name":"Zoë 👋"}\n\nevent: close\ndata: 1000\n\n';
const EVENTS = ["open key", 'message {"name":"Zoë 👋"}', "close 1000"];

test("events are the same wherever the network cuts them", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  expect(await read([bytes])).toEqual(EVENTS);
  expect(await read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
  for (let at = 0; at < bytes.length; at += 1) {
    expect(await read([bytes.slice(0, at), bytes.slice(at)])).toEqual(EVENTS);
  }
});

test("an event that the network has cut off is none", async () => {
  expect(await read([new TextEncoder().encode("event: open\ndata: ke")])).toEqual([]);
});
