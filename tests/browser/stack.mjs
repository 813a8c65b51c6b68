// The programs of one deployment, on unique ports: the Worker under miniflare and media nodes.
import { randomBytes } from "node:crypto";
import { accessSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { joinToken, nodeToken } from "../../xtask/token.mjs";
import { readConfig } from "../../xtask/worker.mjs";
import { freePort } from "./port.mjs";
import { Program } from "./processes.mjs";
import { Storage } from "./storage.mjs";
import { temporaryFolder } from "./temporary.mjs";
import { until } from "./until.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 30_000;

/** Written by `cargo xtask build --development`; `ROTUNDA_MEDIA_NODE` and `ROTUNDA_TURN_NODE` name other programs. */
const PROGRAMS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug");
const MEDIA_NODE = process.env.ROTUNDA_MEDIA_NODE ?? join(PROGRAMS, "media-node");
const TURN_NODE = process.env.ROTUNDA_TURN_NODE ?? join(PROGRAMS, "turn-node");

/** A Worker and the nodes that connect to it. */
export class Stack {
  #state = temporaryFolder("stack");
  #secrets = {
    TOKEN_KEYS: `test:${secret()}`,
    NODE_KEYS: `test:${secret()}`,
    TURN_KEYS: `test:${secret()}`,
    API_KEYS: `test:${secret()}`,
  };
  #region = readConfig("development").vars.DEFAULT_REGION;
  #worker = null;
  #port = 0;
  #address;
  #vars;
  #build;
  storage = null;
  nodes = [];
  turnNodes = [];
  /** Media nodes and TURN nodes, also those that have ended. */
  #started = [];
  /** Texts of errors that the test provokes. */
  #expected = [];
  /** Folder of the programs' logs. */
  logs;

  /**
   * @param {{ nodes?: number, logs?: string, address?: string, vars?: object, build?: "development" | "release" }} [options] `address`: where
   *   browsers reach the Worker and the nodes; `vars`: further settings of the Worker; `build`: which Worker
   */
  static async start({ nodes = 1, logs = join(ROOT, ".rotunda/logs/browser"), address = "127.0.0.1", vars = {}, build = "development" } = {}) {
    accessSync(MEDIA_NODE);
    const stack = new Stack();
    stack.#vars = vars;
    stack.#build = build;
    stack.#address = address;
    stack.logs = logs;
    stack.#port = await freePort();
    try {
      stack.storage = await Storage.start({ log: join(logs, "storage.log") });
      await stack.startWorker();
      for (let number = 1; number <= nodes; number += 1) await stack.startNode(`media-${number}`);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  /** The address of the meet app and the edge. */
  get url() {
    return `http://${this.#address}:${this.#port}`;
  }

  /** Signs join tokens: `kid:secret`. */
  get tokenKeys() {
    return this.#secrets.TOKEN_KEYS;
  }

  /** An application server's key for the HTTP API: `id:secret`. */
  get apiKey() {
    return this.#secrets.API_KEYS;
  }

  /** A join token, as an application's server would sign it. */
  token(room, participant, claims = {}) {
    return joinToken(this.tokenKeys, room, participant, claims);
  }

  /** Calls the HTTP API as an application's server would; `path` is below `/v1`. */
  async api(method, path, body) {
    const headers = { authorization: `Basic ${btoa(this.apiKey)}`, "content-type": "application/json", connection: "close" };
    const response = await fetch(`${this.url}/v1/${path}`, { method, headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }

  async startWorker() {
    const persist = join(this.#state, "worker");
    const options = { host: this.#address, port: this.#port, persist, build: this.#build, vars: { ...this.storage.workerVars, ...this.#vars } };
    this.#worker = new Program("worker", [process.execPath, join(ROOT, "xtask/serve.mjs"), JSON.stringify(options)], {
      env: this.#secrets,
      log: join(this.logs, "worker.log"),
    });
    await this.#worker.line((line) => line.startsWith('{"url"'), START_MS);
  }

  async killWorker() {
    await this.#worker.kill();
  }

  /** Starts a node and waits until it can get rooms. */
  async startNode(name, env = {}) {
    const http = await freePort();
    const program = new Program(name, [MEDIA_NODE], {
      env: {
        MEDIA_EDGE: this.url.replace("http", "ws"),
        MEDIA_NODE_ID: name,
        MEDIA_REGION: this.#region,
        MEDIA_NODE_TOKEN: nodeToken(this.#secrets.NODE_KEYS, name, this.#region),
        MEDIA_LISTEN: `${this.#address}:0`,
        MEDIA_SHARDS: "1",
        MEDIA_HTTP_LISTEN: `127.0.0.1:${http}`,
        MEDIA_DRAIN_SECONDS: "20",
        ...this.storage.nodeSettings,
        MEDIA_RECORD_SPOOL: join(this.#state, "spool"),
        ...env,
      },
      log: join(this.logs, `${name}.log`),
    });
    return this.#ready(this.nodes, name, program, http);
  }

  /** Starts a node in a network of its own, which does not know its address, and does not wait for it. */
  async startNodeIn(network, name) {
    const program = new Program(name, network.inside([MEDIA_NODE]), {
      env: {
        MEDIA_EDGE: this.url.replace("http", "ws"),
        MEDIA_NODE_ID: name,
        MEDIA_REGION: this.#region,
        MEDIA_NODE_TOKEN: nodeToken(this.#secrets.NODE_KEYS, name, this.#region),
        MEDIA_LISTEN: "0.0.0.0:7000",
        MEDIA_SHARDS: "1",
        MEDIA_HTTP_LISTEN: "0.0.0.0:7080",
      },
      log: join(this.logs, `${name}.log`),
    });
    const page = async (path) => {
      const response = await fetch(`http://${network.address}:7080${path}`).catch(() => null);
      return { status: response?.status ?? 0, text: (await response?.text()) ?? "" };
    };
    return { name, program, page };
  }

  /** Starts a TURN node and waits until clients can be given its address. */
  async startTurnNode(name, env = {}) {
    const [udp, http] = [await freePort(), await freePort()];
    const program = new Program(name, [TURN_NODE], {
      env: {
        TURN_EDGE: this.url.replace("http", "ws"),
        TURN_NODE_ID: name,
        TURN_REGION: this.#region,
        TURN_NODE_TOKEN: nodeToken(this.#secrets.NODE_KEYS, name, this.#region),
        TURN_KEYS: this.#secrets.TURN_KEYS,
        TURN_LISTEN: `127.0.0.1:${udp}`,
        TURN_PEER_ALLOW: "127.0.0.1",
        TURN_SHARDS: "2",
        TURN_HTTP_LISTEN: `127.0.0.1:${http}`,
        ...env,
      },
      log: join(this.logs, `${name}.log`),
    });
    return this.#ready(this.turnNodes, name, program, http);
  }

  async #ready(nodes, name, program, http) {
    const node = { name, program, metrics: () => metrics(http) };
    nodes.push(node);
    this.#started.push(program);
    await Promise.race([
      until(`${name} is ready`, () => isOk(`http://127.0.0.1:${http}/readyz`), START_MS),
      program.ended().then((how) => Promise.reject(new Error(`${name} ended (${how}):\n${program.tail()}`))),
    ]);
    return node;
  }

  async killNode(node) {
    for (const nodes of [this.nodes, this.turnNodes].filter((nodes) => nodes.includes(node))) nodes.splice(nodes.indexOf(node), 1);
    await node.program.kill();
  }

  /** Drains a node; resolves with its exit code. */
  async drainNode(node) {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    node.program.signal("SIGTERM");
    return node.program.ended();
  }

  /** Media nodes and TURN nodes. */
  everyNode() {
    return [...this.nodes, ...this.turnNodes];
  }

  /** The number of each program's process, by name. */
  processes() {
    const nodes = this.everyNode().map(({ name, program }) => [name, program.pid]);
    return Object.fromEntries([...nodes, ["worker", this.#worker.pid], ["storage", this.storage.program.pid]]);
  }

  /** Files of recordings that the nodes have not stored yet. */
  spooled() {
    const spool = join(this.#state, "spool");
    if (!existsSync(spool)) return [];
    return readdirSync(spool, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  /** Lets nodes log errors that contain one of these texts. */
  expectErrors(texts) {
    this.#expected.push(...texts);
  }

  /** The errors that nodes have logged and nobody expects. */
  errors() {
    const isExpected = (line) => this.#expected.some((text) => line.includes(text));
    return this.#started.flatMap(({ name, errors }) => errors.filter((line) => !isExpected(line)).map((line) => `${name}: ${line}`));
  }

  /** Ends all programs. An unexpected error in a node's log is an error here. */
  async stop() {
    const programs = this.everyNode().map(({ program }) => program);
    await Promise.all([this.#worker, this.storage, ...programs].map((program) => program?.kill()));
    const errors = this.errors();
    if (errors.length > 0) throw new Error(`errors in the nodes' logs:\n${errors.join("\n")}`);
  }
}

/** Prometheus text to an object: name with labels → value. */
async function metrics(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

async function isOk(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function secret() {
  return randomBytes(32).toString("base64url");
}
