/** Signaling over a WebSocket: a thin shell around the browser's. */
import type { Link, LinkListener } from "./link";
import { SUBPROTOCOL } from "./protocol.gen";

export class WebSocketLink implements Link {
  readonly #socket: WebSocket;

  /** Throws if `key` has characters other than letters, digits and dots, which no browser sends. */
  constructor(url: string, key: string, listener: LinkListener) {
    // The key is sent as a sub-protocol because browsers let a page set no other header, and URLs end up in logs.
    this.#socket = new WebSocket(url, [SUBPROTOCOL, key]);
    this.#socket.onopen = () => listener.opened();
    this.#socket.onclose = ({ code }) => listener.closed(code);
    this.#socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") {
        listener.frame(data);
      }
    };
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(text);
    }
  }

  close(code: number): void {
    this.#socket.onopen = this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close(code);
  }
}
