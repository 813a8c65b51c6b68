/** Reads server-sent events (WHATWG HTML §9.2.6), as far as the edge uses them: every event has a name and one line of data. */

export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parse(block);
      if (event !== null) {
        yield event;
      }
    }
  }
}

/** `null` for a comment. */
function parse(block: string): ServerSentEvent | null {
  const lines = block.split("\n");
  const field = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const data = field("data");
  return data === undefined ? null : { name: field("event") ?? "message", data };
}
