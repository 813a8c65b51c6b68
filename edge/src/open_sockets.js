// The open sockets of one object by number, on the JavaScript side: a call from Rust costs more than a `send`, and a
// frame for everybody needs only one.
export class OpenSockets {
  #sockets = new Map();
  #numbers = new Map();
  #nodes = new Set();

  add(number, socket, isNode) {
    this.#sockets.set(number, socket);
    this.#numbers.set(socket, number);
    if (isNode) this.#nodes.add(number);
  }

  find(number) {
    return this.#sockets.get(number);
  }

  numberOf(socket) {
    return this.#numbers.get(socket);
  }

  isNode(number) {
    return this.#nodes.has(number);
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

  /** Sends a frame to each; returns the numbers of closed sockets, which are removed. */
  send(numbers, text) {
    const closed = [];
    for (const number of numbers) {
      try {
        this.#sockets.get(number).send(text);
      } catch {
        this.remove(number);
        closed.push(number);
      }
    }
    return closed;
  }
}
