// The Worker in a separate process: a test can kill it, and miniflare, which makes some calls with `Atomics.wait`,
// never blocks the test's clients. Communicates over the channel of `fork`.
import { Log, LogLevel } from "miniflare";

const { program = "../../../xtask/worker.mjs", ...options } = JSON.parse(process.argv[2]);
const { startWorker } = await import(program);
const worker = await startWorker({ ...options, log: new Log(LogLevel.NONE) });

process.on("message", async ({ id, className, name }) => {
  const error = await evict(className, name).then(() => null, String);
  process.send({ id, error });
});
// The parent process is gone.
process.on("disconnect", () => process.exit());
process.send({ origin: new URL(worker.direct ?? worker.url).origin });

/** An object in the middle of an event cannot sleep yet. */
async function evict(className, name, attempts = 5) {
  try {
    await worker.evict(className, name);
  } catch (error) {
    if (attempts === 0 || !error.message.includes("active references")) throw error;
    await evict(className, name, attempts - 1);
  }
}
