// Opens sockets at a steady rate and never says anything on them, in a thread of its own, so that the test's own clients are not slowed down.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { fileURLToPath } from "node:url";

const TICK_MS = 10;

/** Floods `path` with the tokens in turn until it is stopped; `stop` resolves with how many were sent, let in and refused. */
export function flood(edge, path, tokens, perSecond) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { origin: edge.http, path, tokens, perSecond } });
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
  const { origin, path, tokens, perSecond } = workerData;
  const { hostname, port } = new URL(origin);
  const counts = { sent: 0, open: 0, refused: 0, failed: 0 };
  const began = performance.now();
  const open = () => {
    const token = tokens[counts.sent % tokens.length];
    counts.sent += 1;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      `Sec-WebSocket-Protocol: rotunda.v1, token.${token}`,
    ];
    const socket = connect(Number(port), hostname, () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    let heard = "";
    socket.on("data", (data) => {
      const wasOpen = heard.includes(" 101 ");
      heard += data.toString("latin1");
      if (!wasOpen && heard.includes(" 101 ")) counts.open += 1;
      if (heard.includes('"refused"')) {
        counts.refused += 1;
        socket.destroy();
      }
    });
    socket.on("error", () => (counts.failed += 1));
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (counts.sent < due) open();
  }, TICK_MS);
  parentPort.once("message", () => {
    clearInterval(timer);
    parentPort.postMessage({ ...counts, seconds: (performance.now() - began) / 1000 });
  });
}
