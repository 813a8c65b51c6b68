// The storage for recordings: `s3s-fs`, an S3-compatible server over a folder, in which a test can look.
import { accessSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "../../browser/processes.mjs";
import { temporaryFolder } from "../../browser/temporary.mjs";
import { until } from "../../browser/until.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Installed by xtask's setup; `ROTUNDA_S3S_FS` names another one. */
const S3S_FS = process.env.ROTUNDA_S3S_FS ?? join(ROOT, ".rotunda/tools/bin/s3s-fs");
const START_MS = 30_000;

const BUCKET = "recordings";
const ACCESS_KEY_ID = "test";
export const SECRET_ACCESS_KEY = "only-for-tests";

export class Storage {
  #root = temporaryFolder("storage");
  #port;
  #program = null;

  static async start() {
    const storage = new Storage();
    storage.#port = await freePort();
    await storage.again();
    return storage;
  }

  /** Starts it (again), with what was in it before. */
  async again() {
    accessSync(S3S_FS);
    mkdirSync(join(this.#root, BUCKET), { recursive: true });
    const address = ["--host", "127.0.0.1", "--port", String(this.#port)];
    const keys = ["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY];
    this.#program = new Program("storage", [S3S_FS, ...address, ...keys, this.#root]);
    // Whoever does not sign is refused: it is up.
    await until("the storage is up", () => fetch(this.url), START_MS);
  }

  /** Kills it with SIGKILL. */
  async kill() {
    await this.#program.kill();
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** How the Worker reaches it. */
  get workerVars() {
    return {
      RECORDING_BUCKET: BUCKET,
      RECORDING_ENDPOINT: this.url,
      RECORDING_REGION: "us-east-1",
      RECORDING_ACCESS_KEY_ID: ACCESS_KEY_ID,
      RECORDING_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    };
  }

  /** Puts an object there, as a node would. */
  put(key, content) {
    const path = join(this.#root, BUCKET, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** Deletes what begins so, as a node would. */
  remove(prefix) {
    rmSync(join(this.#root, BUCKET, prefix), { recursive: true, force: true });
  }

  /** The keys of all objects that begin so. */
  keys(prefix = "") {
    const bucket = join(this.#root, BUCKET);
    const files = readdirSync(bucket, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const keys = files.map((file) => relative(bucket, join(file.parentPath ?? file.path, file.name)));
    return keys.filter((key) => key.startsWith(prefix)).sort();
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
