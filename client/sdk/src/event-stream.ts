/**
 * Signaling over HTTP, for networks that block WebSockets: server-sent events in one direction, requests in the other.
 */
import { CLOSE_GOING_AWAY, CLOSE_POLICY, FRAMES_PER_POST_MAX, SIGNAL_FRAME_BYTES_MAX } from "./protocol.gen";
import type { Link, LinkListener } from "./link";
import { readEvents } from "./server-sent-events";

/** RFC 6455 §7.4.1: the connection was lost without a close frame. */
const ABNORMAL = 1006;
/** The delay after 429 without `Retry-After`. */
const RETRY_MS = 1_000;
/** The time in which the edge takes the last frames of a client that closes its connection. */
const GOODBYE_MS_MAX = 10_000;
/** Less than the total that all requests of a closing page may have in flight. */
const KEEPALIVE_BYTES_MAX = 32 * 1024;

export class EventStream implements Link {
  readonly #url: string;
  readonly #listener: LinkListener;
  readonly #abort = new AbortController();
  readonly #queue: string[] = [];
  /** Identifies this connection in requests; `null` until it is open. */
  #key: string | null = null;
  #isSending = false;
  /** The request under way, and how many frames of the queue are in it. */
  #sending: Promise<Response | null> = Promise.resolve(null);
  #inFlight = 0;
  #isOver = false;

  /** `authorization` is the value of the header: `Bearer` and a join token, or `Resume` and a secret. */
  constructor(url: string, authorization: string, listener: LinkListener) {
    this.#url = url;
    this.#listener = listener;
    window.addEventListener("pagehide", this.#pageIsGone, { signal: this.#abort.signal });
    void this.#listen(authorization);
  }

  send(text: string): void {
    this.#queue.push(text);
    void this.#flush();
  }

  close(code: number): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    if (this.#key === null) {
      this.#abort.abort();
    } else {
      // The edge must not notice the end of the stream before the frames and the code have arrived.
      const end = (): void => this.#abort.abort();
      setTimeout(end, GOODBYE_MS_MAX);
      void this.#sending.then(() => this.#sayGoodbye(code)).then(end);
    }
  }

  readonly #pageIsGone = ({ persisted }: PageTransitionEvent): void => {
    if (!persisted && this.#key !== null && !this.#isOver) {
      void this.#sayGoodbye(CLOSE_GOING_AWAY);
    }
  };

  async #listen(authorization: string): Promise<void> {
    let code = ABNORMAL;
    let hasReached = false;
    try {
      const response = await fetch(this.#url, {
        headers: { Accept: "text/event-stream", Authorization: authorization },
        cache: "no-store",
        signal: this.#abort.signal,
      });
      hasReached = true;
      if (response.ok && response.body !== null) {
        for await (const { name, data } of readEvents(response.body)) {
          if (this.#isOver) {
            continue;
          }
          if (name === "open") {
            this.#key = data;
            this.#listener.opened();
            void this.#flush();
          } else if (name === "close") {
            code = Number(data);
          } else {
            this.#listener.frame(data);
          }
        }
      } else {
        code = await this.#refused(response);
      }
    } catch {
      // Either the network failed, or `close` was called; the error does not distinguish them.
    }
    this.#end(code, hasReached);
  }

  /** Reports a refusal as a socket would: a frame with the code, followed by the close. */
  async #refused(response: Response): Promise<number> {
    const { code } = (await response.json()) as { code?: unknown };
    if (this.#isOver || typeof code !== "string" || response.status === 429 || response.status >= 500) {
      return ABNORMAL;
    }
    this.#listener.opened();
    this.#listener.frame(JSON.stringify({ type: "refused", code }));
    return CLOSE_POLICY;
  }

  /** Sends waiting frames, one request after the other, so that they arrive in order. */
  async #flush(): Promise<void> {
    if (this.#isSending || this.#key === null) {
      return;
    }
    this.#isSending = true;
    while (this.#queue.length > 0 && !this.#isOver) {
      const frames = this.#next(this.#queue);
      this.#inFlight = frames.length;
      this.#sending = this.#post(frames.join("\n")).catch(() => null);
      const response = await this.#sending;
      if (response?.status === 429) {
        const seconds = Number(response.headers.get("Retry-After"));
        await new Promise((resolve) => setTimeout(resolve, seconds > 0 ? seconds * 1_000 : RETRY_MS));
      } else if (response?.ok === true) {
        this.#queue.splice(0, frames.length);
        this.#inFlight = 0;
      } else {
        this.#abort.abort();
        this.#end(ABNORMAL);
      }
    }
    this.#isSending = false;
  }

  /** The first frames that fit into one request; a large frame goes alone. */
  #next(queue: readonly string[]): string[] {
    let letters = 0;
    const fits = (frame: string, index: number): boolean => {
      letters += frame.length;
      return index === 0 || letters * 3 <= SIGNAL_FRAME_BYTES_MAX;
    };
    const candidates = queue.slice(0, FRAMES_PER_POST_MAX);
    const tooMany = candidates.findIndex((frame, index) => !fits(frame, index));
    return tooMany === -1 ? candidates : candidates.slice(0, tooMany);
  }

  #post(body: string, query = ""): Promise<Response> {
    // A request that is small enough outlives its page (Fetch §4.6 allows 64 KiB).
    const keepalive = isShort(body);
    const headers = { Authorization: `Connection ${this.#key}` };
    // The trace is that of the connection.
    const [url] = this.#url.split("?");
    return fetch(`${url}${query}`, { method: "POST", body, headers, keepalive });
  }

  /** Closes the connection at the edge, after the frames that wait. */
  async #sayGoodbye(code: number): Promise<void> {
    const waiting = this.#next(this.#queue.slice(this.#inFlight)).join("\n");
    // A large request would not outlive the page, and the code must.
    const frames = isShort(waiting) ? waiting : "";
    await this.#post(frames, `?close=${code}`).catch(() => undefined);
  }

  #end(code: number, hasReached = true): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#abort.abort();
      this.#listener.closed(code, hasReached);
    }
  }
}

function isShort(body: string): boolean {
  return body.length * 3 <= KEEPALIVE_BYTES_MAX;
}
