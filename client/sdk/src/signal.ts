/** The signaling connection: a WebSocket, or server-sent events if the network blocks WebSockets. */
import { RoomError } from "./errors";
import type { Link, LinkListener } from "./link";
import { RESUME_SUBPROTOCOL_PREFIX, TOKEN_SUBPROTOCOL_PREFIX } from "./protocol.gen";
import { randomHex } from "./random";
import type { Failure } from "./state";
import { WebSocketLink } from "./web-socket";

/**
 * A join token, or a function that gets a fresh one for every join. The room is joined again if the connection was lost
 * for too long, by which time a fixed token may have expired; resuming needs none.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** The connection's events; none are reported after we have closed it. */
export interface SignalListener extends LinkListener {
  /** There is no token: with the error of the application's source, if that is a `RoomError`. */
  tokenUnavailable(failure: Failure): void;
}

/** The address of a room's socket at an edge, for instance of `https://edge.example.org`. */
export function roomUrl(edge: string, room: string): string {
  const url = new URL(`/v1/rooms/${encodeURIComponent(room)}/socket`, edge);
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
  return url.href;
}

/** The URL of a room's events, derived from the URL of its socket. */
function eventsUrl(socketUrl: string): string {
  const url = new URL(socketUrl);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = url.pathname.replace(/socket$/, "events");
  return url.href;
}

/** The URL with a new span of the trace (W3C Trace Context): browsers let a page set no header of a WebSocket. */
function traced(url: string, traceId: string): string {
  const parsed = new URL(url);
  parsed.searchParams.set("traceparent", `00-${traceId}-${randomHex(8)}-01`);
  return parsed.href;
}

/** Manages one connection at a time; opening another one drops the previous one. */
export class Signal {
  readonly #url: string;
  readonly #token: TokenSource;
  readonly #listener: SignalListener;
  readonly #traceId: string;
  #link: Link | null = null;
  #opened = 0;
  /** Attempts that did not reach the edge, since the last connection that opened. */
  #failures = 0;
  #socketHasWorked = false;

  /** `traceId`: 32 hexadecimal digits, the same for all connections. */
  constructor(url: string, token: TokenSource, traceId: string, listener: SignalListener) {
    this.#url = url;
    this.#token = token;
    this.#traceId = traceId;
    this.#listener = listener;
  }

  /** Connects with a resume secret, or with a join token if there is none. */
  open(secret: string | null): void {
    this.close(1000);
    const number = ++this.#opened;
    if (secret !== null) {
      this.#connect({ kind: "resume", value: secret });
      return;
    }
    if (typeof this.#token === "string") {
      this.#connect({ kind: "join", value: this.#token });
      return;
    }
    Promise.resolve()
      .then(this.#token)
      .then(
        (value) => number === this.#opened && this.#connect({ kind: "join", value }),
        (error: unknown) => number === this.#opened && this.#listener.tokenUnavailable(failureOf(error)),
      );
  }

  send(text: string): void {
    this.#link?.send(text);
  }

  close(code: number): void {
    this.#opened += 1;
    const link = this.#link;
    this.#link = null;
    link?.close(code);
  }

  #connect({ kind, value }: Credential): void {
    const usesSocket = isForSocket(this.#failures, this.#socketHasWorked);
    const failuresBefore = this.#failures;
    this.#failures += 1;
    const listener: LinkListener = {
      opened: () => {
        this.#failures = 0;
        this.#socketHasWorked ||= usesSocket;
        this.#listener.opened();
      },
      closed: (code, hasReached = false) => {
        this.#link = null;
        if (hasReached) {
          // A crowded edge says nothing about the transport.
          this.#failures = Math.min(this.#failures, failuresBefore);
        }
        this.#listener.closed(code);
      },
      frame: (text) => this.#listener.frame(text),
    };
    try {
      const url = traced(this.#url, this.#traceId);
      if (usesSocket) {
        this.#link = new WebSocketLink(url, `${PREFIXES[kind]}${value}`, listener);
      } else {
        void this.#stream(eventsUrl(url), `${SCHEMES[kind]} ${value}`, listener);
      }
    } catch (error) {
      // The browser refuses to send a token with characters other than letters, digits and dots.
      this.#listener.tokenUnavailable(failureOf(error));
    }
  }

  /** Few networks block WebSockets, so the other transport is loaded only there. */
  async #stream(url: string, authorization: string, listener: LinkListener): Promise<void> {
    const number = this.#opened;
    const loaded = await import("./event-stream").catch(() => null);
    if (number !== this.#opened) {
      return;
    }
    if (loaded === null) {
      listener.closed(ABNORMAL);
    } else {
      this.#link = new loaded.EventStream(url, authorization, listener);
    }
  }
}

function failureOf(error: unknown): Failure {
  return error instanceof RoomError ? { code: error.code, detail: error.detail } : { code: "token_unavailable", detail: String(error) };
}

interface Credential {
  readonly kind: "join" | "resume";
  readonly value: string;
}

const PREFIXES = { join: TOKEN_SUBPROTOCOL_PREFIX, resume: RESUME_SUBPROTOCOL_PREFIX };
const SCHEMES = { join: "Bearer", resume: "Resume" };

/** RFC 6455 §7.4.1: without a close frame. */
const ABNORMAL = 1006;
/** Attempts with a WebSocket before the other transport, where a WebSocket has opened before. */
const SOCKET_TRIES = 3;

/**
 * True if the next attempt uses a WebSocket: always the first one, so that no client stays with the more expensive
 * transport longer than one connection; then both in turn.
 */
function isForSocket(failures: number, socketHasWorked: boolean): boolean {
  const tries = socketHasWorked ? SOCKET_TRIES : 1;
  return failures < tries || (failures - tries) % 2 === 1;
}
