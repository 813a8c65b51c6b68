// `schemathesis` against the built Worker: whatever the OpenAPI document says is so, and whatever it does not say is refused.
// The only argument is the program; the seed is fixed, so that a failure comes again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "./support/client.mjs";
import { KEYS, startEdge } from "./support/edge.mjs";
import { MediaNode } from "./support/node.mjs";

const SEED = 20_26;
/** Of each phase for each operation: what two cores do in a minute. */
const EXAMPLES = 30;

const CONFIG = fileURLToPath(new URL("schemathesis.toml", import.meta.url));

/** The participant of the document's examples; whenever they are removed, they come back, so that there is somebody to be asked about. */
async function keepAda(edge, signal) {
  while (!signal.aborted) {
    const ada = await Client.connect(edge, "standup", "ada");
    await ada.join();
    await Promise.race([ada.ended(), once(signal, "abort")]);
  }
}

const edge = await startEdge({ rateLimit: 1_000_000 });
// It remembers failures in the folder it runs in, and would not do the same again there.
const folder = mkdtempSync(join(tmpdir(), "rotunda-api-"));
const over = new AbortController();
try {
  await MediaNode.start(edge);
  // Whatever becomes of it, the run tells.
  keepAda(edge, over.signal).catch(() => {});
  const { id, secret } = KEYS.api;
  const program = spawn(
    process.argv[2],
    [
      ...["--config-file", CONFIG, "run", `${edge.http}/v1/openapi.json`, "--auth", `${id}:${secret}`],
      ...["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"],
      ...["--seed", String(SEED), "--max-examples", String(EXAMPLES), "--no-color"],
    ],
    { stdio: "inherit", cwd: folder },
  );
  const [code] = await once(program, "exit");
  process.exitCode = code ?? 1;
} finally {
  over.abort();
  await edge.stop();
  rmSync(folder, { recursive: true, force: true });
}
