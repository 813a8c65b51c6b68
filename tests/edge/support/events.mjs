// The second transport of signaling: server-sent events, and requests with frames. Has the interface of a WebSocket of
// the package `ws`.
import { EventEmitter } from "node:events";
import { setTimeout } from "node:timers/promises";

/** A request may fail before the end of the events is noticed, if the edge stops in the middle of it. */
const END_NOTICED_MS = 2_000;

export class EventConnection extends EventEmitter {
  #url;
  #headers;
  #abort = new AbortController();
  #posted = Promise.resolve();
  #ended = Promise.withResolvers();
  /** The key that identifies the connection in requests with frames. */
  key = null;
  /** Statuses of all requests with frames. */
  statuses = [];

  /** Resolves when the connection is open; a refusal is returned as `{ status, body }`. */
  static async open(url, authorization, headers = {}) {
    const connection = new EventConnection();
    connection.#url = url;
    connection.#headers = headers;
    const { signal } = connection.#abort;
    const response = await fetch(url, { headers: { ...headers, accept: "text/event-stream", authorization }, signal });
    connection.response = response;
    if (response.status !== 200) return { status: response.status, body: await response.json() };
    const opened = new Promise((resolve) => connection.once("open", resolve));
    connection.#read(response.body);
    await opened;
    return connection;
  }

  send(data) {
    this.#posted = this.#posted.then(() => this.post(String(data))).catch((error) => this.#failed(error));
  }

  /** Only the end of the whole connection excuses a frame that was not sent. */
  async #failed(error) {
    await Promise.race([this.#ended.promise, setTimeout(END_NOTICED_MS, undefined, { ref: false }).then(() => Promise.reject(error))]);
  }

  /** Sends frames, one per line. */
  async post(body, query = "", key = this.key) {
    const headers = { ...this.#headers, authorization: `Connection ${key}`, connection: "close" };
    const response = await fetch(this.#url + query, { method: "POST", headers, body, duplex: "half" });
    const text = await response.text();
    this.statuses.push(response.status);
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  }

  close(code) {
    this.send = () => undefined;
    // The edge may stop before.
    this.#posted = this.#posted.then(() => this.post("", `?close=${code}`)).catch(() => undefined);
  }

  /** Like a lost network. */
  terminate() {
    this.#abort.abort();
  }

  async #read(body) {
    let code = 1006;
    try {
      let rest = "";
      for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks.filter((text) => !text.startsWith(":"))) {
          const [, name, data] = block.match(/^event: (\w+)\ndata: (.*)$/);
          if (name === "open") {
            this.key = data;
            this.emit("open");
          } else if (name === "close") code = Number(data);
          else this.emit("message", Buffer.from(data), false);
        }
      }
    } catch {
      // The connection was broken off, by the network or by `terminate`.
    }
    this.#ended.resolve();
    this.emit("close", code, Buffer.from(""));
  }
}
