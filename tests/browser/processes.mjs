// Starts programs that end with this process, however it ends.
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * The shell becomes the program; a watcher process reads a pipe that nobody writes to. The pipe closes when this
 * process closes it or dies, even by `kill -9`, and then the watcher kills the whole process group. While the watcher
 * lives, the group's number cannot be reused.
 */
const WITH_LIFELINE = `exec 3<&0; { read -r _ <&3; kill -s KILL -- -$$; } >/dev/null 2>&1 & exec "$@" </dev/null 3<&-`;

/** Logs of this process's programs: a program that is started again continues its log. */
const LOGS = new Set();

/** Of our own programs' logs, as text or JSON, and of Rust's panics. */
const IS_ERROR = /\bERROR\b|panicked at/;
const ERRORS_MAX = 20;

/** A program with all the processes that it starts. */
export class Program {
  #child;
  #lifeline;
  #ended;
  #lines = [];
  #waiting = [];
  /** The first lines of its output that tell of an error. */
  errors = [];

  /**
   * @param {string} name for messages
   * @param {string[]} command
   * @param {{ env?: Record<string, string>, log?: string }} [options] `log`: a file that gets all output
   */
  constructor(name, command, options = {}) {
    this.name = name;
    this.#child = spawn("sh", ["-c", WITH_LIFELINE, "sh", ...command], {
      detached: true,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#lifeline = this.#child.stdin;
    this.#lifeline.on("error", () => {}); // The program ended first.
    this.#ended = new Promise((resolve) => this.#child.once("exit", (code, signal) => resolve(signal ?? code)));
    this.#ended.then((how) => this.#end(how));
    this.#collect(options.log);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Returns the first truthy result of `find` for a line of output, past or future. */
  line(find, timeoutMs = 20_000) {
    for (const text of this.#lines) {
      const found = find(text);
      if (found) return Promise.resolve(found);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} did not say it in ${timeoutMs} ms:\n${this.tail()}`)), timeoutMs);
      this.#waiting.push({ find, resolve: (found) => (clearTimeout(timer), resolve(found)), reject: (error) => (clearTimeout(timer), reject(error)) });
    });
  }

  tail(lines = 15) {
    return this.#lines.slice(-lines).join("\n");
  }

  /** The variables that it was started with, each `NAME=value`. */
  environment() {
    return readFileSync(`/proc/${this.pid}/environ`, "utf8").split("\0").join("\n");
  }

  /** Sends a signal to the program alone. */
  signal(name) {
    process.kill(this.pid, name);
  }

  /** Stops all of the program's processes except the watcher, so that they still end with this process. */
  pause() {
    process.kill(-this.pid, "SIGSTOP");
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8").trim().split(" ");
    const isWatcher = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(WITH_LIFELINE);
    process.kill(Number(children.find(isWatcher)), "SIGCONT");
  }

  resume() {
    process.kill(-this.pid, "SIGCONT");
  }

  /** Kills all of the program's processes at once; resolves when they are gone. */
  async kill() {
    this.#lifeline.destroy();
    await this.#ended;
  }

  /** Resolves with the exit code or the signal when the program has ended. */
  ended() {
    return this.#ended;
  }

  #end(how) {
    this.#lifeline.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${this.name} ended (${how}):\n${this.tail()}`));
  }

  #collect(path) {
    if (path) mkdirSync(dirname(path), { recursive: true });
    const log = path && createWriteStream(path, { flags: LOGS.has(path) ? "a" : "w" });
    LOGS.add(path);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (chunk) => {
        log?.write(chunk);
        const lines = (rest + chunk).split("\n");
        rest = lines.pop();
        lines.forEach((line) => this.#heard(line));
      });
    }
  }

  #heard(line) {
    this.#lines.push(line);
    if (this.#lines.length > 500) this.#lines.shift();
    if (IS_ERROR.test(line) && this.errors.length < ERRORS_MAX) this.errors.push(line);
    this.#waiting = this.#waiting.filter(({ find, resolve }) => {
      const found = find(line);
      if (found) resolve(found);
      return !found;
    });
  }
}
