// The built Worker in workerd, for the tests in this folder.
import { fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("edge-process.mjs", import.meta.url));

/** Secrets of the tests; tokens may be signed with any in a list. */
export const KEYS = {
  token: { id: "t1", secret: "join-tokens-of-the-tests-0123456789" },
  tokenOld: { id: "t0", secret: "earlier-join-tokens-of-the-tests-01" },
  api: { id: "k1", secret: "api-key-of-the-tests-0123456789-abc" },
  apiOld: { id: "k0", secret: "earlier-api-key-of-the-tests-012345" },
  node: { id: "n1", secret: "node-tokens-of-the-tests-0123456789" },
  turn: { id: "r2", secret: "turn-passwords-of-the-tests-0123456" },
  turnOld: { id: "r1", secret: "earlier-turn-passwords-of-the-tests" },
};

const VARS = {
  TOKEN_KEYS: list(KEYS.token, KEYS.tokenOld),
  API_KEYS: list(KEYS.api, KEYS.apiOld),
  NODE_KEYS: list(KEYS.node),
  TURN_KEYS: list(KEYS.turn, KEYS.turnOld),
  ICE_SERVERS: JSON.stringify([{ urls: ["stun:stun.example.org:3478"] }]),
  ALLOWED_ORIGINS: "https://app.example.org",
};

/** Tests call the API, open sockets and request tokens faster than people. */
const RATE_LIMITS = { API_RATE: 1_000_000, SOCKET_RATE: 1_000_000, GUEST_RATE: 1_000_000, ROOM_RATE: 1_000_000, ADDRESS_RATE: 1_000_000 };

/** The Worker as deployed: options for `startEdge`. */
export const DEPLOYED = { build: "release", environment: "production", vars: { REGIONS: '{"local":"EU"}', DEFAULT_REGION: "local" } };

/** Starts the Worker. Options as for `startWorker` of `xtask/worker.mjs`; `vars` override those above; `program` starts another Worker. */
export async function startEdge(options = {}) {
  const edge = new Edge();
  const [vars, rateLimits] = [{ ...VARS, ...options.vars }, { ...RATE_LIMITS, ...options.rateLimits }];
  edge.options = { environment: "development", build: "development", ...options, vars, rateLimits };
  await edge.again();
  return edge;
}

class Edge {
  /** Nodes that registered here; they stop before the Worker. */
  guests = new Set();
  /** Output lines of the Worker and of workerd itself. */
  lines = [];
  #reading = new EventEmitter();
  #requests = 0;

  /** Calls the HTTP API; `key` identifies the caller, `body` is an object or a text. */
  async api(method, path, { body, key = KEYS.api, headers = {} } = {}) {
    const json = body === undefined ? {} : { "content-type": "application/json" };
    const basic = key === null ? {} : { authorization: `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString("base64")}` };
    // workerd closes a connection whose body it has not read to the end, and the next request must not use it.
    const response = await fetch(this.http + path, {
      method,
      headers: { ...json, ...basic, connection: "close", ...headers },
      body: typeof body === "object" ? JSON.stringify(body) : body,
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
  }

  /** Starts it (again) on another port. */
  async again() {
    this.process = fork(PROGRAM, [JSON.stringify(this.options)], { silent: true });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      createInterface(stream).on("line", (line) => {
        this.lines.push(line);
        this.#reading.emit("line");
      });
    }
    const ended = once(this.process, "exit").then(() => {
      throw new Error(`the Worker ended before it was ready: ${this.lines.slice(-5).join("\n")}`);
    });
    const [{ origin }] = await Promise.race([once(this.process, "message"), ended]);
    this.http = origin;
    this.ws = origin.replace("http", "ws");
  }

  /** The Worker's log, without workerd's own lines, for instance about lost connections. */
  records() {
    return this.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** The log events of this name, once there are at least `count`. */
  async logged(event, count = 1, patienceMs = 15_000) {
    const giveUp = AbortSignal.timeout(patienceMs);
    for (;;) {
      const found = this.records().filter((record) => record.event === event);
      if (found.length >= count) return found;
      await once(this.#reading, "line", { signal: giveUp }).catch(() => {
        throw new Error(`${event} was logged ${found.length} times instead of ${count}`);
      });
    }
  }

  /** CPU time of workerd so far (proc(5), /proc/pid/stat fields 14 and 15, in ticks of 10 ms). */
  cpuMs() {
    const ofProcess = (pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10;
    };
    return childrenOf(this.process.pid).map(ofProcess).reduce((sum, ms) => sum + ms, 0);
  }

  /** Memory of workerd (proc(5), /proc/pid/status). */
  memoryKb() {
    const ofProcess = (pid) => Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
    return childrenOf(this.process.pid).map(ofProcess).reduce((sum, kb) => sum + kb, 0);
  }

  /** Takes a room out of memory, as hibernation does. */
  hibernate(room) {
    return this.#evict("RoomObject", `${room}:1`);
  }

  /** Takes every shard of the directory out of memory. */
  async hibernateDirectory(shards = 8) {
    for (let shard = 0; shard < shards; shard++) await this.#evict("DirectoryObject", `directory:${shard}`);
  }

  /** Takes a region's fleet out of memory, as hibernation does. */
  hibernateFleet(region) {
    return this.#evict("FleetObject", `fleet:${region}`);
  }

  async #evict(className, name) {
    this.#requests += 1;
    const id = this.#requests;
    this.process.send({ id, className, name });
    for (;;) {
      const [answer] = await once(this.process, "message");
      if (answer.id !== id) continue;
      if (answer.error) throw new Error(answer.error);
      return;
    }
  }

  /** `kill -9` of workerd, and of the node process that started it. */
  async kill() {
    const workerd = childrenOf(this.process.pid);
    if (workerd.length === 0) throw new Error("workerd is not running");
    for (const pid of workerd) process.kill(pid, "SIGKILL");
    const gone = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await gone;
  }

  async stop() {
    for (const guest of this.guests) guest.die();
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
  }
}

/** Processes whose parent is `pid` (proc(5), /proc/pid/stat field 4). */
function childrenOf(pid) {
  const isChild = (name) => {
    try {
      return Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1].split(" ")[1]) === pid;
    } catch {
      return false; // It has ended in the meantime.
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isChild(name)).map(Number);
}

export function list(...keys) {
  return keys.map(({ id, secret }) => `${id}:${secret}`).join(",");
}
