// Opens sockets at a steady rate and sends nothing on them, in a separate process: it neither slows the test's clients
// nor waits for them, and its CPU share can be measured.
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const TICK_MS = 5;
/** Most unanswered connections, as a network in between would limit them: beyond that, nothing is sent. */
const UNANSWERED_MAX = 1_000;
/** So many ticks are waited for the last answers. */
const ANSWER_WAITS_MAX = 200;
const PROGRAM = fileURLToPath(import.meta.url);

/**
 * Asks for sockets at `path`, `perSecond` times a second until it is stopped, with the tokens in turn, from the addresses in turn. An
 * empty one is none; `kind` says what the tokens are.
 *
 * @typedef {{ sent: number, switched: number, refused: number, failed: number, closed: number, seconds: number, cpuMs: number }} Counts
 *   `switched` to WebSocket, of these `closed` by the edge, `refused` with another status
 * @returns {Promise<{ counts(): Promise<Counts>, stop(): Promise<Counts>, end(): void }>} `stop` keeps the open sockets open until `end`
 */
export async function flood(edge, path, { tokens, kind = "token", addresses, perSecond }) {
  const child = fork(PROGRAM, ["flood"]);
  child.send({ origin: edge.http, path, tokens, kind, addresses, perSecond });
  await once(child, "message");
  const ask = async (message) => {
    child.send(message);
    const [counts] = await once(child, "message");
    return counts;
  };
  return {
    counts: () => ask("counts"),
    stop: () => ask("stop"),
    end: () => child.kill(),
  };
}

function run({ origin, path, tokens, kind, addresses, perSecond }) {
  const { hostname, port } = new URL(origin);
  const counts = { sent: 0, switched: 0, refused: 0, failed: 0, closed: 0 };
  const key = randomBytes(16).toString("base64");
  const head = (number) => {
    const [token, address] = [tokens[number % tokens.length], addresses[number % addresses.length]];
    return [
      `GET ${path} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      ...(address === "" ? [] : [`CF-Connecting-IP: ${address}`]),
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      `Sec-WebSocket-Protocol: rotunda.v1${token === "" ? "" : `, ${kind}.${token}`}`,
      "\r\n",
    ].join("\r\n");
  };
  const open = () => {
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    socket.write(head(counts.sent));
    counts.sent += 1;
    let status = "";
    socket.on("data", (data) => {
      if (status === "") {
        // "HTTP/1.1 101"
        status = data.toString("latin1", 9, 12);
        counts[status === "101" ? "switched" : "refused"] += 1;
      }
      // The edge sends the reason before it closes a socket, and waits for an answer.
      if (status === "101" && data.includes('"refused"')) counts.closed += 1;
      else if (status === "101") return;
      socket.destroy();
    });
    socket.on("error", () => (counts.failed += 1));
  };
  const [began, cpuBefore] = [performance.now(), process.cpuUsage()];
  const unanswered = () => counts.sent - counts.switched - counts.refused - counts.failed;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    while (counts.sent < due && unanswered() < UNANSWERED_MAX) open();
  }, TICK_MS);
  process.on("message", async (asked) => {
    if (asked === "stop") clearInterval(timer);
    const { user, system } = process.cpuUsage(cpuBefore);
    const seconds = (performance.now() - began) / 1000;
    // A socket that made way may be counted before the one it made way for.
    for (let waits = 0; asked === "stop" && unanswered() > 0 && waits < ANSWER_WAITS_MAX; waits++) await setTimeout(TICK_MS);
    process.send({ ...counts, seconds, cpuMs: (user + system) / 1000 });
  });
  process.once("disconnect", () => process.exit());
  process.send("ready");
}

if (process.argv[1] === PROGRAM && process.argv[2] === "flood") process.once("message", run);
