// A WebSocket that remembers everything it received.
import WebSocket from "ws";

/** A passing test never waits this long; a busy machine may. */
const PATIENCE_MS = 20_000;

/** An upgrade that was answered with an HTTP status. */
export class UpgradeRefused extends Error {
  constructor({ statusCode, headers }, body) {
    super(`the upgrade was answered with ${statusCode}: ${body}`);
    this.status = statusCode;
    this.headers = headers;
    this.body = body;
  }
}

/** The pending or the last upgrade. */
let opening = Promise.resolve();
const nothing = () => undefined;

export class Socket {
  /** Every text frame so far, parsed if it is JSON. */
  frames = [];
  /** `{ code, reason }` once the socket is closed. */
  closed = null;
  #read = 0;
  #waiting = new Set();

  /**
   * Resolves when the socket is open; rejects with `UpgradeRefused` if the answer is not 101. One at a time, unless
   * they may overlap: workerd (1.20260730) then keeps some of their state, and tests can never put the object to sleep.
   */
  static open(url, protocols, { overlaps = false, ...options } = {}) {
    if (overlaps) return connect(this, url, protocols, options);
    const opened = opening.then(() => connect(this, url, protocols, options));
    opening = opened.then(nothing, nothing);
    return opened;
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => {
      const text = data.toString();
      this.frames.push(isBinary ? data : parse(text));
      this.#wake();
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  /** Forgets all received frames. */
  forget() {
    this.frames.length = 0;
    this.#read = 0;
  }

  get protocol() {
    return this.socket.protocol;
  }

  send(message) {
    this.socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /**
   * The next frame that `match`, a type or a predicate, accepts; it and the frames before it are not examined again.
   */
  next(match, patienceMs = PATIENCE_MS) {
    const likes = typeof match === "function" ? match : (frame) => frame.type === match;
    return this.#until(() => {
      const at = this.frames.findIndex((frame, index) => index >= this.#read && likes(frame));
      if (at < 0) return undefined;
      this.#read = at + 1;
      return this.frames[at];
    }, String(match), patienceMs);
  }

  /** The first frame ever that `match` accepts, even if it was examined before. */
  find(match, what) {
    return this.#until(() => this.frames.find(match), what, PATIENCE_MS);
  }

  /** Resolves when no frame has arrived for a while. */
  async settle(quietMs = 80) {
    for (let before = -1; before !== this.frames.length; ) {
      before = this.frames.length;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
    }
  }

  /** `{ code, reason }` of the close. */
  close(code = 1000) {
    this.socket.close(code);
    return this.ended();
  }

  ended(patienceMs = PATIENCE_MS) {
    return this.#until(() => this.closed ?? undefined, "the close", patienceMs);
  }

  /** Like a lost network: no close frame. */
  terminate() {
    this.socket.terminate();
  }

  #until(find, what, patienceMs) {
    const found = find();
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const attempt = () => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(attempt);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(attempt);
        const seen = this.frames.slice(this.#read).map((frame) => JSON.stringify(frame)?.slice(0, 200));
        reject(new Error(`waited ${patienceMs} ms for ${what}; closed: ${JSON.stringify(this.closed)}; saw ${seen.join("\n")}`));
      }, patienceMs);
      this.#waiting.add(attempt);
    });
  }

  #wake() {
    for (const attempt of [...this.#waiting]) attempt();
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function connect(Kind, url, protocols, options) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    const opened = new Kind(socket);
    socket.once("open", () => resolve(opened));
    socket.once("unexpected-response", async (_request, response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      reject(new UpgradeRefused(response, body));
    });
    socket.on("error", reject);
  });
}
