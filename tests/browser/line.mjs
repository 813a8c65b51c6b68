// The way from a node to the edge, which can break without either of them.
import { connect, createServer } from "node:net";

export class Line {
  #server;
  #target;
  #sockets = new Set();
  #isBroken = false;
  url;

  /** @param {string} target the edge's URL */
  static async start(target) {
    const line = new Line();
    line.#target = new URL(target);
    line.#server = createServer((near) => {
      if (line.#isBroken) return near.destroy();
      const far = connect(Number(line.#target.port), line.#target.hostname);
      for (const [socket, other] of [[near, far], [far, near]]) {
        line.#sockets.add(socket);
        socket.on("error", () => {}).on("close", () => {
          line.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    await new Promise((resolve) => line.#server.listen(0, "127.0.0.1", resolve));
    line.url = `ws://127.0.0.1:${line.#server.address().port}`;
    return line;
  }

  /** Ends every connection and admits none until `mend`; returns the number of ended connections. */
  break() {
    this.#isBroken = true;
    const count = this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.destroy();
    return count;
  }

  mend() {
    this.#isBroken = false;
  }

  stop() {
    this.break();
    this.#server.close();
  }
}
