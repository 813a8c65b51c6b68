// `schemathesis` against the built Worker: the API behaves as the OpenAPI document says, and refuses everything else.
// The only argument is the program; the seed is fixed, so that failures are reproducible. Every operation must succeed
// at least once: a run in which all answers are refusals proves little.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, OFFER } from "./support/client.mjs";
import { KEYS, startEdge } from "./support/edge.mjs";
import { MediaNode } from "./support/node.mjs";
import { Recorder } from "./support/recorder.mjs";
import { Storage } from "../browser/storage.mjs";

const SEED = 20_26;
/** Per phase and operation: as many as two cores can run in a minute. */
const EXAMPLES = 30;

const CONFIG = fileURLToPath(new URL("schemathesis.toml", import.meta.url));

/** The rooms of the document's examples: the first has a participant to query, the second one to record. */
const [STANDUP, INTERVIEW] = ["standup", "interview"];
const RUN_MS_MAX = 600_000;
/** More than the run deletes. */
const RECORDINGS = 8;

/** The publishing offer without its published sections. */
const LISTENING = OFFER.replaceAll("a=sendonly", "a=inactive");
/** The ban that the document's examples lift. */
const MALLORY = `/v1/rooms/${STANDUP}/bans/mallory`;

/**
 * Keeps the participant of the document's examples in the room: she returns whenever she is removed or banned or may no
 * longer publish.
 */
async function keepAda(edge, room, signal) {
  while (!signal.aborted) {
    const ada = await Client.connect(edge, room, "ada");
    const over = ada.ended(RUN_MS_MAX);
    const { code } = await ada.join();
    if (code === "banned") {
      await edge.api("DELETE", `/v1/rooms/${room}/bans/ada`);
    } else if (code === "forbidden") {
      await ada.join({ offer: LISTENING, tracks: [] });
    }
    // Only a call that has started can be paused and resumed.
    await edge.api("POST", `/v1/rooms/${room}/start`);
    if (code !== "banned") await Promise.race([over, once(signal, "abort")]);
    await ada.close();
  }
}

/** Operations of the document that never succeeded in the run. */
function neverDone(har) {
  const { paths } = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
  const done = har.log.entries
    .filter(({ response }) => response.status >= 200 && response.status < 300)
    .map(({ request }) => `${request.method} ${new URL(request.url).pathname}`);
  const isNever = ([method, path]) => {
    const pattern = new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    return !done.some((request) => pattern.test(request));
  };
  // The document itself is requested before the run.
  delete paths["/v1/openapi.json"];
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => [method, path]));
  return operations.filter(isNever).map((operation) => operation.join(" "));
}

const storage = await Storage.start();
const edge = await startEdge({ vars: storage.workerVars });
// It remembers failures in its working folder, and would behave differently the next time.
const folder = mkdtempSync(join(tmpdir(), "rotunda-api-"));
const over = new AbortController();
try {
  const recorder = new Recorder(edge, await MediaNode.start(edge), storage);
  // The run reports every outcome.
  for (const room of [STANDUP, INTERVIEW]) keepAda(edge, room, over.signal).catch(() => {});
  await Promise.all([STANDUP, INTERVIEW].map((room) => recorder.node.serving(room)));
  // The examples lift this ban.
  assert.equal((await edge.api("PUT", MALLORY, { body: {} })).status, 204);
  for (let number = 0; number < RECORDINGS; number++) await recorder.record(INTERVIEW);
  recorder.keepRecording(INTERVIEW, over.signal);
  const har = join(folder, "har.json");
  const { id, secret } = KEYS.api;
  const program = spawn(
    process.argv[2],
    [
      ...["--config-file", CONFIG, "run", `${edge.http}/v1/openapi.json`, "--auth", `${id}:${secret}`],
      ...["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"],
      ...["--seed", String(SEED), "--max-examples", String(EXAMPLES), "--no-color"],
      ...["--report", "har", "--report-har-path", har],
    ],
    { stdio: "inherit", cwd: folder },
  );
  const [code] = await once(program, "exit");
  const missing = neverDone(JSON.parse(readFileSync(har, "utf8")));
  if (missing.length > 0) console.error(`never carried out: ${missing.join(", ")}`);
  process.exitCode = code === 0 && missing.length === 0 ? 0 : 1;
} finally {
  over.abort();
  await edge.stop();
  await storage.kill();
  rmSync(folder, { recursive: true, force: true });
}
