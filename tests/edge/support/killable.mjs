// A Worker that can be killed and started again over the same storage.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("edge-process.mjs", import.meta.url));

export class KillableEdge {
  /** Nodes that registered here. */
  guests = new Set();
  /** What the Worker logged, line by line. */
  lines = [];

  static async start() {
    const edge = new this();
    edge.folder = mkdtempSync(join(tmpdir(), "rotunda-edge-"));
    await edge.again();
    return edge;
  }

  /** Starts it again, at another port. */
  async again() {
    this.process = spawn(process.execPath, [PROGRAM, this.folder], { stdio: ["ignore", "pipe", "pipe"] });
    const output = createInterface(this.process.stdout);
    const [line] = await Promise.race([once(output, "line"), failure(this.process)]);
    Object.assign(this, JSON.parse(line));
    for (const stream of [output, createInterface(this.process.stderr)]) stream.on("line", (line) => this.lines.push(line));
  }

  /** `kill -9` of workerd, and of the node process that would start it again. */
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
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Processes whose parent is `pid` (proc(5), /proc/pid/stat field 4). */
function childrenOf(pid) {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1].split(" ")[1]) === pid;
      } catch {
        return false; // It ended meanwhile.
      }
    })
    .map(Number);
}

function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...values) => resolve(values)));
}

async function failure(child) {
  const [code, signal] = await once(child, "exit");
  throw new Error(`the Worker ended with ${code ?? signal} before it was ready`);
}
