// The size of the deployed Worker.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const EDGE = fileURLToPath(new URL("../../../edge/", import.meta.url));

/** The goal of docs/benchmarks.md. A larger Worker starts later, wherever it is not in memory yet. */
export const WORKER_KB_MAX = 600;

/** As the platform counts it: every module, compressed. */
export function workerKb() {
  const beside = readdirSync(EDGE).filter((name) => name.endsWith(".mjs"));
  const files = [...beside, "build/index.js", "build/index_bg.wasm"];
  return gzipSync(Buffer.concat(files.map((name) => readFileSync(EDGE + name))), { level: 9 }).length / 1024;
}
