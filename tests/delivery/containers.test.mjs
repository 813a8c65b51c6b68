// The containers: checks their recipes, and makes a call through the programs in the described root file systems.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { joinToken } from "../../xtask/token.mjs";
import { Browser } from "../browser/browsers.mjs";
import { Participant } from "../browser/participant.mjs";
import { freePort } from "../browser/port.mjs";
import { Program } from "../browser/processes.mjs";
import { temporaryFolder } from "../browser/temporary.mjs";
import { until } from "../browser/until.mjs";
import { buildRoot, enter, readContainerfile } from "./containerfile.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "docs/containers");
const LOGS = join(ROOT, ".rotunda/logs/containers");
const PROGRAMS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug");
/** A folder made by `cargo xtask dist`; without it, the programs and the Worker are those of the other tests. */
const DIST = process.env.ROTUNDA_DIST;
const KINDS = ["media-node", "turn-node"];
const ADDRESS = "127.0.0.1";

const compose = parse(readFileSync(join(FOLDER, "compose.yaml"), "utf8"), { merge: true });
const recipe = (kind) => readContainerfile(join(FOLDER, `${kind}.Containerfile`));

test("every image is one static program, without a shell, for a user without rights", () => {
  assert.deepEqual(readdirSync(FOLDER).filter((name) => name.endsWith(".Containerfile")).sort(), KINDS.map((kind) => `${kind}.Containerfile`));
  for (const kind of KINDS) {
    const { from, copies, user, signal, entrypoint } = recipe(kind);
    assert.deepEqual([from, user, signal, entrypoint], ["scratch", "65532:65532", "SIGTERM", [`/usr/local/bin/${kind}`]]);
    const [program, ...rest] = copies;
    assert.deepEqual([program.target, program.owner, program.mode], [`/usr/local/bin/${kind}`, "0:0", "0555"]);
    for (const { owner, mode } of rest) assert.match(`${owner} ${mode}`, /^(0:0 0444|65532:65532 0600)$/, "no further program");
    for (const file of rest.flatMap(({ sources }) => sources)) assert.ok(existsSync(join(FOLDER, file)), file);
  }
});

test("every service is read-only, has no capability, and can gain none", () => {
  assert.deepEqual(Object.keys(compose.services).sort(), ["media-node", "turn-node", "worker"]);
  for (const [name, service] of Object.entries(compose.services)) {
    const { read_only, cap_drop, cap_add, security_opt, privileged, volumes = [], image, build } = service;
    assert.deepEqual([read_only, cap_drop, cap_add, privileged], [true, ["ALL"], undefined, undefined], name);
    assert.deepEqual(security_opt, ["no-new-privileges:true"], name);
    for (const volume of volumes) assert.match(volume, /:ro$|^spool:/, name);
    assert.ok(build || /:\d+\.\d+\.\d+-/.test(image), `${name} names the version of its image`);
  }
  for (const kind of KINDS) {
    const { build, stop_grace_period } = compose.services[kind];
    assert.ok(existsSync(join(FOLDER, build.context, build.dockerfile).replace("target/dist/../../", "")), kind);
    assert.ok(Number.parseInt(stop_grace_period, 10) > 120, "the node drains for 120 s");
  }
});

test("what compose starts makes a call, directly and through the relay", async (t) => {
  const [worker, http, turnHttp] = [await freePort(), await freePort(), await freePort()];
  const variables = secrets();
  const started = [];
  t.after(() => Promise.all(started.map((program) => program.kill())));
  const start = (name, command, env) => {
    const program = new Program(name, command, { env, log: join(LOGS, `${name}.log`) });
    started.push(program);
    return program;
  };
  /** The service's environment, with free ports. */
  const environment = (name) => {
    const own = Object.entries(compose.services[name].environment).map(([key, text]) => [key, filled(text, variables).replace(":8787", `:${worker}`)]);
    return { ...(KINDS.includes(name) ? recipe(name).env : {}), ...Object.fromEntries(own) };
  };

  const here = { "/rotunda/": ROOT, 8787: worker, "0.0.0.0": ADDRESS, ...(DIST ? {} : { '"release"': '"development"' }) };
  const words = compose.services.worker.command.map((word) => Object.entries(here).reduce((text, [there, own]) => text.replace(there, own), word));
  await start("worker", [process.execPath, ...words.slice(1)], environment("worker")).line((line) => line.startsWith('{"url"'), 30_000);

  const own = { "media-node": { MEDIA_HTTP_LISTEN: `${ADDRESS}:${http}`, MEDIA_LISTEN: `${ADDRESS}:0`, MEDIA_SHARDS: "1" } };
  own["turn-node"] = { TURN_HTTP_LISTEN: `${ADDRESS}:${turnHttp}`, TURN_LISTEN: `${ADDRESS}:${await freePort()}`, TURN_SHARDS: "1" };
  const programs = {};
  for (const [kind, port] of [["media-node", http], ["turn-node", turnHttp]]) {
    const [root, volume] = [temporaryFolder(`root-${kind}`), kind === "media-node" ? temporaryFolder("spool") : ""];
    buildRoot(recipe(kind), root, (name) => (DIST ? join(DIST, name) : name === `${kind}-x86_64` ? join(PROGRAMS, kind) : join(FOLDER, name)));
    if (volume) mkdirSync(join(root, recipe(kind).volumes[0]), { recursive: true });
    programs[kind] = start(kind, enter(recipe(kind), root, volume), { ...environment(kind), ...own[kind] });
    await Promise.race([
      until(`${kind} is ready`, async () => (await fetch(`http://${ADDRESS}:${port}/readyz`)).ok, 20_000),
      programs[kind].ended().then((how) => Promise.reject(new Error(`${kind} ended (${how}):\n${programs[kind].tail()}`))),
    ]);
    confined(programs[kind].pid);
  }

  const stack = {
    url: `http://${ADDRESS}:${worker}`,
    logs: LOGS,
    token: (room, participant, claims) => joinToken(variables.TOKEN_KEYS, room, participant, claims),
  };
  const chromium = await Browser.start("chromium");
  t.after(() => chromium.stop());
  const ada = await Participant.join(stack, chromium, "trial", "ada");
  const grace = await Participant.join(stack, chromium, "trial", "grace", { relay: true });
  await Promise.all([ada.sees([grace], 30_000), grace.sees([ada], 30_000)]);
  // The page is a moment behind.
  await until("the relay has an allocation", async () => /^turn_allocations\{.*\} [1-9]/m.test(await (await fetch(`http://${ADDRESS}:${turnHttp}/metrics`)).text()));
  await Promise.all([ada.close(), grace.close()]);
});

/** The output of `xtask/compose.mjs` for this host. */
function secrets() {
  const text = execFileSync(process.execPath, [join(ROOT, "xtask/compose.mjs"), ADDRESS], { encoding: "utf8" });
  return Object.fromEntries(text.trim().split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Fills in variables as compose does: one with `:?` must be set. */
function filled(text, variables) {
  return text.replace(/\$\{(\w+):\?[^}]*\}/g, (_, name) => variables[name] ?? assert.fail(`${name} is not set`));
}

/** Checks that the kernel confines a program: its user, its rights, its root. */
function confined(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  if (process.getuid() === 0) assert.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m);
  assert.match(status, /^CapEff:\t0{16}$/m);
  const [, options] = readFileSync(`/proc/${pid}/mountinfo`, "utf8").match(/^\d+ \d+ \S+ \S+ \/ (\S+)/m);
  assert.ok(options.split(",").includes("ro"), options);
}
