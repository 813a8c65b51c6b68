/** One connection to the edge, of either kind. */
export interface Link {
  /** Sends a frame; drops it if the connection is closed. */
  send(text: string): void;
  /** Closes the connection. Nothing is reported afterwards. */
  close(code: number): void;
}

/** A connection's events; `code` as in RFC 6455 §7.4. */
export interface LinkListener {
  opened(): void;
  /** `hasReached` is true if the edge has answered, although the connection never opened. */
  closed(code: number, hasReached?: boolean): void;
  frame(text: string): void;
}
