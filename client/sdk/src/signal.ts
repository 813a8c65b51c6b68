/** The signaling WebSocket: a thin shell around the browser's WebSocket. */
import { RESUME_SUBPROTOCOL_PREFIX, SUBPROTOCOL, TOKEN_SUBPROTOCOL_PREFIX } from "./protocol.gen";

/**
 * A join token, or a function that gets a fresh one for every join. The room is joined again if the connection was lost
 * for too long, by which time a fixed token may have expired; resuming needs none.
 */
export type TokenSource = string | (() => string | Promise<string>);

/** The socket's events; none are reported after we have closed it. */
export interface SignalListener {
  opened(): void;
  closed(code: number): void;
  frame(text: string): void;
  tokenUnavailable(detail: string): void;
}

/** The address of a room's socket at an edge, for instance of `https://edge.example.org`. */
export function roomUrl(edge: string, room: string): string {
  const url = new URL(`/v1/rooms/${encodeURIComponent(room)}/socket`, edge);
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
  return url.href;
}

/** Manages one socket at a time; opening another one drops the previous one. */
export class Signal {
  readonly #url: string;
  readonly #token: TokenSource;
  readonly #listener: SignalListener;
  #socket: WebSocket | null = null;
  #opened = 0;

  constructor(url: string, token: TokenSource, listener: SignalListener) {
    this.#url = url;
    this.#token = token;
    this.#listener = listener;
  }

  /** Opens a socket with a resume secret, or with a join token if there is none. */
  open(secret: string | null): void {
    this.close(1000);
    const number = ++this.#opened;
    if (secret !== null) {
      this.#connect(`${RESUME_SUBPROTOCOL_PREFIX}${secret}`);
      return;
    }
    if (typeof this.#token === "string") {
      this.#connect(`${TOKEN_SUBPROTOCOL_PREFIX}${this.#token}`);
      return;
    }
    Promise.resolve()
      .then(this.#token)
      .then(
        (token) => number === this.#opened && this.#connect(`${TOKEN_SUBPROTOCOL_PREFIX}${token}`),
        (error: unknown) => number === this.#opened && this.#listener.tokenUnavailable(String(error)),
      );
  }

  send(text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(text);
    }
  }

  close(code: number): void {
    this.#opened += 1;
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onclose = socket.onmessage = null;
      socket.close(code);
    }
  }

  #connect(key: string): void {
    let socket: WebSocket;
    try {
      // The key rides as a sub-protocol because browsers let a page set no other header, and URLs end up in logs.
      socket = new WebSocket(this.#url, [SUBPROTOCOL, key]);
    } catch (error) {
      // Not a token of letters, digits and dots: the browser refuses to send it.
      this.#listener.tokenUnavailable(String(error));
      return;
    }
    this.#socket = socket;
    socket.onopen = () => this.#listener.opened();
    socket.onclose = ({ code }) => {
      this.#socket = null;
      this.#listener.closed(code);
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") {
        this.#listener.frame(data);
      }
    };
  }
}
