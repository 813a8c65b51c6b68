// The recording storage: `tests/storage`, an S3-compatible server backed by a folder that tests can inspect.
import { accessSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./port.mjs";
import { Program } from "./processes.mjs";
import { temporaryFolder } from "./temporary.mjs";
import { until } from "./until.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Written by `cargo xtask build storage --development`; `ROTUNDA_STORAGE` names another program. */
const PROGRAM = process.env.ROTUNDA_STORAGE ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/storage");
const START_MS = 30_000;
const UPLOAD_MS = 120_000;

const BUCKET = "recordings";
const ACCESS_KEY_ID = "test";
export const SECRET_ACCESS_KEY = "only-for-tests";

export class Storage {
  #root = temporaryFolder("storage");
  #port;
  #log;
  #program = null;

  /** @param {{ log?: string }} [options] `log`: the file of what it says */
  static async start({ log } = {}) {
    const storage = new Storage();
    storage.#port = await freePort();
    storage.#log = log;
    await storage.again();
    return storage;
  }

  /** Starts it (again) with its earlier content. */
  async again() {
    accessSync(PROGRAM);
    mkdirSync(join(this.#root, BUCKET), { recursive: true });
    const address = ["--host", "127.0.0.1", "--port", String(this.#port)];
    const keys = ["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY];
    this.#program = new Program("storage", [PROGRAM, ...address, ...keys, this.#root], { log: this.#log });
    // Refusing an unsigned request shows that it is up.
    await until("the storage is up", () => fetch(this.url), START_MS);
  }

  async kill() {
    await this.#program.kill();
  }

  get program() {
    return this.#program;
  }

  /** Keeps connections open without answering until `resume`. */
  pause() {
    this.#program.pause();
  }

  resume() {
    this.#program.resume();
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The Worker's settings for this storage. */
  get workerVars() {
    return {
      RECORDING_BUCKET: BUCKET,
      RECORDING_ENDPOINT: this.url,
      RECORDING_REGION: "us-east-1",
      RECORDING_ACCESS_KEY_ID: ACCESS_KEY_ID,
      RECORDING_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    };
  }

  /** A media node's settings for this storage. */
  get nodeSettings() {
    return {
      MEDIA_RECORD_BUCKET: BUCKET,
      MEDIA_RECORD_ENDPOINT: this.url,
      MEDIA_RECORD_ACCESS_KEY_ID: ACCESS_KEY_ID,
      MEDIA_RECORD_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY,
    };
  }

  /** Multipart uploads neither completed nor aborted: s3s-fs keeps a note of each. */
  unfinishedUploads() {
    return readdirSync(this.#root).filter((name) => name.startsWith(".upload-"));
  }

  /** Resolves when the first chunk of a large object is stored. */
  async firstChunk() {
    const events = watch(this.#root, { signal: AbortSignal.timeout(UPLOAD_MS) });
    for await (const { filename } of events) if (filename.includes(".part-1")) return;
  }

  /** Stores an object, as a node would. */
  put(key, content) {
    const path = join(this.#root, BUCKET, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** Deletes every object under a prefix, as a node would. */
  remove(prefix) {
    rmSync(join(this.#root, BUCKET, prefix), { recursive: true, force: true });
  }

  keys(prefix = "") {
    const bucket = join(this.#root, BUCKET);
    const files = readdirSync(bucket, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const keys = files.map((file) => relative(bucket, join(file.parentPath ?? file.path, file.name)));
    return keys.filter((key) => key.startsWith(prefix)).sort();
  }
}
