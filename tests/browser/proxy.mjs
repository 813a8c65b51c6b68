// The proxy of an office network: forwards HTTP unchanged, and does not support WebSockets.
import { createServer, request } from "node:http";

export class Proxy {
  #server;
  #responses = new Set();
  /** Number of refused WebSocket upgrades. */
  refused = 0;

  /** @param {string} target the URL to which it forwards */
  static async start(target) {
    const proxy = new Proxy();
    const { hostname, port } = new URL(target);
    proxy.#server = createServer((incoming, outgoing) => {
      const { method, url: path, headers } = incoming;
      const passed = request({ hostname, port, method, path, headers }, (response) => {
        outgoing.writeHead(response.statusCode, response.headers);
        response.pipe(outgoing);
        proxy.#responses.add(outgoing);
        outgoing.on("close", () => {
          proxy.#responses.delete(outgoing);
          passed.destroy();
        });
      });
      passed.on("error", () => outgoing.destroy());
      incoming.pipe(passed);
    });
    proxy.#server.on("upgrade", (_request, socket) => {
      proxy.refused += 1;
      socket.destroy();
    });
    await new Promise((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  /** Breaks off all pending answers. */
  cut() {
    for (const response of this.#responses) response.destroy();
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
