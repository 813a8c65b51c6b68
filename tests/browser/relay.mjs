// Joins a Unix socket, which network namespaces do not separate, to a port of the surrounding loopback interface.
import { createConnection, createServer } from "node:net";
import { fileURLToPath } from "node:url";

/** Copies bytes both ways until either end closes. */
export function splice(near, far) {
  for (const [from, to] of [[near, far], [far, near]]) {
    from.on("error", () => to.destroy()).on("close", () => to.destroy());
    from.pipe(to);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, port] = process.argv.slice(2);
  const server = createServer((near) => splice(near, createConnection(Number(port), "127.0.0.1")));
  server.listen(path, () => console.log("ready"));
}
