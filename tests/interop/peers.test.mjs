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
const ENVIRONMENTS = fileURLToPath(new URL("../../.rotunda/", import.meta.url));
/** The Python that can import the system's bindings of GStreamer. */
const SYSTEM_PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
const INSTALL_MS = 300_000;
const CALL_MS = 90_000;

const LOGS = join(ENVIRONMENTS, "peers/logs");

let stack;

before(async () => {
  stack = await Stack.start({ logs: LOGS });
});

after(() => stack?.stop());

test("two participants on aiortc receive each other's picture and note", (t) => {
  return callInPython(t, "aiortc", installed("aiortc", "python3", []));
});

test("two participants on GStreamer's webrtcbin receive each other's picture and note", (t) => {
  return callInPython(t, "gstreamer", installed("gstreamer", SYSTEM_PYTHON, ["--system-site-packages"]));
});

test("a participant on GStreamer's webrtcbin with an RSA certificate is told that it cannot connect", async (t) => {
  const python = installed("gstreamer", SYSTEM_PYTHON, ["--system-site-packages"]);
  await runInPython(t, "gstreamer", python, ["refused", stack.token("refused", "ada")]);
  const log = readFileSync(join(LOGS, "media-1.log"), "utf8");
  assert.match(log, /no secure connection.*the certificate is missing or not ECDSA/);
});

test("two participants on werift receive each other's picture and note", async (t) => {
  const lines = await callOnWerift(stack.url.replace("http", "ws"), "werift", tokens("werift"));
  lines.forEach((line) => t.diagnostic(line));
});

function tokens(room) {
  return ["ada", "grace"].map((participant) => stack.token(room, participant));
}

function callInPython(t, implementation, python) {
  return runInPython(t, implementation, python, [implementation, ...tokens(implementation)]);
}

async function runInPython(t, implementation, python, words) {
  const script = [python, join(HERE, `with_${implementation}.py`), stack.url.replace("http", "ws"), ...words];
  const call = new Program(`with_${implementation}.py`, script, { env: { PYTHONUNBUFFERED: "1" } });
  const timer = setTimeout(() => call.kill(), CALL_MS);
  const exit = await call.ended();
  clearTimeout(timer);
  assert.equal(exit, 0, call.tail());
  call.tail().split("\n").forEach((line) => t.diagnostic(line));
}

/** The interpreter of an environment with an implementation's requirements, installed again whenever they change. */
function installed(name, python, options) {
  const folder = join(ENVIRONMENTS, name);
  const requirements = readFileSync(join(HERE, `${name}.txt`), "utf8");
  const stamp = join(folder, "installed.txt");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== requirements) {
    const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
    run(python, "-m", "venv", ...options, folder);
    run(join(folder, "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(HERE, `${name}.txt`));
    writeFileSync(stamp, requirements);
  }
  return join(folder, "bin/python");
}
