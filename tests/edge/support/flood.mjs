// Opens sockets at a steady rate and never says anything on them, in a thread of its own, so that the test's own clients are not slowed down.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { fileURLToPath } from "node:url";

const TICK_MS = 10;
/** Connections that wait for their answer: what the edge cannot carry is not sent, rather than left in a queue before good clients. */
const UNANSWERED_MAX = 64;

/**
 * Asks for sockets at `path` with the tokens in turn, from the addresses in turn, until it is stopped: `perSecond`, or as many as the
 * edge answers.
 *
 * @returns {{ stop(): Promise<{ sent: number, answered: number, open: number, refused: number, failed: number, seconds: number }> }}
 */
export function flood(edge, path, { tokens, addresses, perSecond }) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { origin: edge.http, path, tokens, addresses, perSecond } });
  return {
    async stop() {
      const counted = new Promise((resolve) => worker.once("message", resolve));
      worker.postMessage("stop");
      const counts = await counted;
      await worker.terminate();
      return counts;
    },
  };
}

if (!isMainThread) {
  const { origin, path, tokens, addresses, perSecond } = workerData;
  const { hostname, port } = new URL(origin);
  const counts = { sent: 0, answered: 0, open: 0, refused: 0, failed: 0 };
  const key = randomBytes(16).toString("base64");
  const head = (number) =>
    [
      `GET ${path} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      `CF-Connecting-IP: ${addresses[number % addresses.length]}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      `Sec-WebSocket-Protocol: rotunda.v1, token.${tokens[number % tokens.length]}`,
      "\r\n",
    ].join("\r\n");
  const began = performance.now();
  const open = () => {
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    socket.write(head(counts.sent));
    counts.sent += 1;
    let heard = "";
    socket.on("data", (data) => {
      if (heard === "") counts.answered += 1;
      heard += data.toString("latin1");
      if (heard.startsWith("HTTP/1.1 101") && !heard.includes('"refused"')) return;
      counts.refused += 1;
      socket.destroy();
    });
    socket.on("error", () => (counts.failed += 1));
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (counts.sent < due && counts.sent - counts.answered - counts.failed < UNANSWERED_MAX) open();
  }, TICK_MS);
  parentPort.once("message", () => {
    clearInterval(timer);
    counts.open = counts.answered - counts.refused;
    parentPort.postMessage({ ...counts, seconds: (performance.now() - began) / 1000 });
  });
}
