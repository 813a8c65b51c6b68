// `node xtask/serve.mjs '{"port":8787,…}'` serves the Worker until SIGTERM; the options are those of `startWorker`. Prints one
// line of JSON once it answers. Secrets come from the environment, which process lists do not show.
import { readFileSync } from "node:fs";
import { startWorker } from "./worker.mjs";

const SECRETS = ["TOKEN_KEYS", "NODE_KEYS", "TURN_KEYS", "API_KEYS", "RECORDING_ACCESS_KEY_ID", "RECORDING_SECRET_ACCESS_KEY"];
const WORKERD_CHECK_MS = 250;

const options = JSON.parse(process.argv[2] ?? "{}");
const vars = Object.fromEntries(SECRETS.filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
const worker = await startWorker({ ...options, vars: { ...options.vars, ...vars } });
console.log(JSON.stringify({ url: String(worker.url) }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => worker.stop().then(() => process.exit(0)));
endWithWorkerd();

/** miniflare does not report that its workerd died: every request would fail, while this process looks healthy. */
function endWithWorkerd() {
  if (process.platform !== "linux") return;
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  const workerd = children.map(Number).find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd");
  if (!workerd) throw new Error("miniflare started no workerd");
  setInterval(() => {
    try {
      process.kill(workerd, 0);
    } catch {
      console.error(`workerd (pid ${workerd}) has ended`);
      process.exit(1);
    }
  }, WORKERD_CHECK_MS);
}
