// aiortc, a WebRTC implementation that shares no code with ours or any browser, in a call through the real programs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Program } from "../browser/processes.mjs";
import { Stack } from "../browser/stack.mjs";

const HERE = fileURLToPath(new URL("aiortc/", import.meta.url));
const PYTHON = fileURLToPath(new URL("../../.rotunda/aiortc", import.meta.url));
const INSTALL_MS = 300_000;
const CALL_MS = 90_000;

let stack;

before(async () => {
  install();
  stack = await Stack.start({ logs: join(PYTHON, "logs") });
});

after(() => stack?.stop());

test("two participants on aiortc receive each other's picture and note", async (t) => {
  const room = "aiortc";
  const tokens = ["ada", "grace"].map((participant) => stack.token(room, participant));
  const script = [join(PYTHON, "bin/python"), join(HERE, "call.py"), stack.url.replace("http", "ws"), room, ...tokens];
  const call = new Program("call.py", script, { env: { PYTHONUNBUFFERED: "1" } });
  const timer = setTimeout(() => call.kill(), CALL_MS);
  const exit = await call.ended();
  clearTimeout(timer);
  assert.equal(exit, 0, call.tail());
  call.tail().split("\n").forEach((line) => t.diagnostic(line));
});

/** Installs into a separate Python environment, again whenever the requirements change. */
function install() {
  const requirements = readFileSync(join(HERE, "requirements.txt"), "utf8");
  const stamp = join(PYTHON, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === requirements) return;
  const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
  run("python3", "-m", "venv", PYTHON);
  run(join(PYTHON, "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(HERE, "requirements.txt"));
  writeFileSync(stamp, requirements);
}
