// `node tests/browser/serve-stack.mjs` runs a Worker, a media node and storage for tests in other languages, until its
// standard input ends. Prints one line of JSON when they are ready: their addresses, the keys for join tokens, and a
// key of the HTTP API. Each further line of input is a JSON command, answered with a line of JSON.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Stack } from "./stack.mjs";

const commands = createInterface({ input: process.stdin });
const stack = await Stack.start({ logs: process.argv[2] });
console.log(JSON.stringify({ url: stack.url, token_keys: stack.tokenKeys, api_key: stack.apiKey }));

let drained;
let killed;
let people;

/** The media node of this name, or the first. */
function node(name) {
  return stack.nodes.find((other) => other.name === name) ?? stack.nodes[0];
}

const COMMANDS = {
  kill_node: ({ name }) => stack.killNode(node(name)),
  start_node: ({ name = "media-1", env = {} }) => stack.startNode(name, env),
  drain_node: () => {
    drained = stack.drainNode(stack.nodes[0]);
  },
  node_environment: () => ({ body: stack.nodes[0].program.environment() }),
  // The exit status of the draining node.
  drained_node: async () => ({ status: await drained }),
  kill_node_at_upload: () => {
    killed = stack.storage.firstChunk().then(() => stack.nodes[0].program.signal("SIGKILL")).then(() => stack.killNode(stack.nodes[0]));
  },
  killed_node: () => killed,
  unfinished_uploads: () => ({ body: stack.storage.unfinishedUploads() }),
  pause_node: () => stack.nodes[0].program.pause(),
  start_turn_node: ({ name = "turn-1", env = {} }) => stack.startTurnNode(name, env),
  kill_turn_node: ({ name }) => stack.killNode(stack.turnNodes.find((other) => other.name === name) ?? stack.turnNodes[0]),
  kill_worker: () => stack.killWorker(),
  start_worker: () => stack.startWorker(),
  // The process of each program; the Worker's is that of the server around workerd.
  processes: () => ({ body: stack.processes() }),
  metrics: async () => ({ body: Object.fromEntries(await Promise.all(stack.everyNode().map(async ({ name, metrics }) => [name, await metrics()]))) }),
  spooled: () => ({ body: stack.spooled() }),
  errors: () => ({ body: stack.errors() }),
  expect_errors: ({ texts }) => stack.expectErrors(texts),
  api: ({ method, path }) => stack.api(method, path),
  people_join: async ({ room }) => {
    const { People } = await import("./people.mjs");
    people = await People.join(stack, room);
  },
  people_watch: () => people.watch(),
  people_gaps: async () => ({ body: await people.gaps() }),
  people_see: () => people.see(),
  people_leave: () => people.leave(),
  kill_storage: () => stack.storage.kill(),
  start_storage: () => stack.storage.again(),
  pause_storage: () => stack.storage.pause(),
  resume_storage: () => stack.storage.resume(),
  stored: ({ prefix }) => ({ body: stack.storage.keys(prefix) }),
  recordings: async ({ room, token, method = "GET", id = "" }) => {
    const url = `${stack.url}/v1/rooms/${room}/recordings${id}`;
    const response = await fetch(url, { method, headers: { Authorization: `Bearer ${token}` } });
    return { status: response.status, body: await response.json().catch(() => null) };
  },
  download: async ({ url, path }) => {
    const response = await fetch(url);
    writeFileSync(path, Buffer.from(await response.arrayBuffer()));
    return { status: response.status };
  },
};

for await (const line of commands) {
  const command = JSON.parse(line);
  try {
    const answer = await COMMANDS[command.do](command);
    // A started node is an object of programs, which cannot be serialised.
    console.log(JSON.stringify({ status: answer?.status ?? 0, body: answer?.body ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
await people?.stop();
await stack.stop();
