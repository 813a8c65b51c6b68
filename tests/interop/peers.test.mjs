// WebRTC implementations that share no code with ours or any browser, in calls through the real programs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Program } from "../browser/processes.mjs";
import { Stack } from "../browser/stack.mjs";
import { call as callOnWerift } from "./peers/with_werift.mjs";

const HERE = fileURLToPath(new URL("peers/", import.meta.url));
const AIORTC = fileURLToPath(new URL("../../.rotunda/aiortc", import.meta.url));
const INSTALL_MS = 300_000;
const CALL_MS = 90_000;

let stack;

before(async () => {
  stack = await Stack.start({ logs: fileURLToPath(new URL("../../.rotunda/peers/logs", import.meta.url)) });
});

after(() => stack?.stop());

test("two participants on aiortc receive each other's picture and note", async (t) => {
  install();
  const script = [join(AIORTC, "bin/python"), join(HERE, "with_aiortc.py"), stack.url.replace("http", "ws"), "aiortc", ...tokens("aiortc")];
  const call = new Program("with_aiortc.py", script, { env: { PYTHONUNBUFFERED: "1" } });
  const timer = setTimeout(() => call.kill(), CALL_MS);
  const exit = await call.ended();
  clearTimeout(timer);
  assert.equal(exit, 0, call.tail());
  call.tail().split("\n").forEach((line) => t.diagnostic(line));
});

test("two participants on werift receive each other's picture and note", async (t) => {
  const lines = await callOnWerift(stack.url.replace("http", "ws"), "werift", tokens("werift"));
  lines.forEach((line) => t.diagnostic(line));
});

function tokens(room) {
  return ["ada", "grace"].map((participant) => stack.token(room, participant));
}

/** Installs into a separate Python environment, again whenever the requirements change. */
function install() {
  const requirements = readFileSync(join(HERE, "aiortc.txt"), "utf8");
  const stamp = join(AIORTC, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === requirements) return;
  const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
  run("python3", "-m", "venv", AIORTC);
  run(join(AIORTC, "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(HERE, "aiortc.txt"));
  writeFileSync(stamp, requirements);
}
