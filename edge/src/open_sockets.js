// The open sockets of one object by number, on the JavaScript side: a call from Rust costs more than a `send`, and a
// frame for everybody needs only one.
export class OpenSockets {
  #sockets = new Map();
  #numbers = new Map();
  #nodes = new Set();
  #woken = [];

  add(number, socket, isNode) {
    this.#sockets.set(number, socket);
    this.#numbers.set(socket, number);
    if (isNode) this.#nodes.add(number);
  }

  /**
   * Takes the sockets that outlived the previous instance, and returns a line of JSON with the attachment of each;
   * `addWoken` gives them numbers. A thousand calls for each of these from Rust would cost more than everything else
   * in waking.
   */
  wake(state) {
    this.#woken = state.getWebSockets();
    return this.#woken.map((socket) => JSON.stringify(socket.deserializeAttachment() ?? null)).join("\n");
  }

  /** `numbers` is negative where a socket has been given up. */
  addWoken(numbers, areNodes) {
    for (const [place, socket] of this.#woken.entries()) {
      if (numbers[place] >= 0) this.add(numbers[place], socket, areNodes[place] !== 0);
    }
    this.#woken = [];
  }

  find(number) {
    return this.#sockets.get(number);
  }

  /** The number of a client's socket, or that of a node's, negated and minus one. */
  speaker(socket) {
    const number = this.#numbers.get(socket);
    return this.#nodes.has(number) ? -number - 1 : number;
  }

  remove(number) {
    const socket = this.#sockets.get(number);
    this.#sockets.delete(number);
    this.#numbers.delete(socket);
    this.#nodes.delete(number);
    return socket;
  }

  get size() {
    return this.#sockets.size;
  }

  /** Sends a frame; false if the socket is closed, and so removed. */
  sendOne(number, text) {
    try {
      this.#sockets.get(number).send(text);
      return true;
    } catch {
      this.remove(number);
      return false;
    }
  }

  /** Sends a frame to each; returns the numbers of closed sockets, which are removed. */
  send(numbers, text) {
    const closed = [];
    for (const number of numbers) {
      if (!this.sendOne(number, text)) closed.push(number);
    }
    return closed;
  }
}
