// The pipeline on GitHub: its stages, what they may do, and the scripts that wait for a deployment and accept it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { temporaryFolder } from "../browser/temporary.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const text = (path) => readFileSync(join(ROOT, path), "utf8");
const WORKFLOWS = readdirSync(join(ROOT, ".github/workflows")).map((name) => `.github/workflows/${name}`);
const ACTIONS = readdirSync(join(ROOT, ".github/actions")).map((name) => `.github/actions/${name}/action.yml`);

const pipeline = parse(text(".github/workflows/pipeline.yml"));
const jobs = Object.entries(pipeline.jobs);
const called = (name) => jobs.find(([, job]) => job.name === name) ?? assert.fail(`no job ${name}`);
/** All steps of a job, including those of our own actions. */
const steps = (job) => job.steps.flatMap((step) => [step, ...(step.uses?.startsWith("./") ? parse(text(`${step.uses.slice(2)}/action.yml`)).runs.steps : [])]);
/** Names of the jobs that must have succeeded before this one. */
const before = (id) => [pipeline.jobs[id].needs ?? []].flat().flatMap((needed) => [pipeline.jobs[needed].name, ...before(needed)]);
const scripts = (job) => steps(job).map(({ run = "" }) => run).join("\n");

// Holds S1-DEP-04.
test("eight stages lead to production, each after those that it relies on", () => {
  const tests = ["test:unit", "test:integration", "test:e2e", "security:scan", "performance:test"];
  const relies = { "deploy:staging": tests, "test:acceptance": ["deploy:staging"], "deploy:production": ["test:acceptance"] };
  for (const stage of tests) assert.match(scripts(called(stage)[1]), /cargo xtask test --only /, stage);
  for (const [stage, needed] of Object.entries(relies)) {
    const [id, job] = called(stage);
    for (const name of needed) assert.ok(before(id).includes(name), `${stage} does not wait for ${name}`);
    assert.equal(job.if, "github.event_name == 'push' && github.ref == 'refs/heads/main'", `${stage} is for what was merged`);
  }
  for (const environment of ["staging", "production"]) {
    const [, job] = called(`deploy:${environment}`);
    assert.equal(job.environment.name, environment);
    const [deploy] = job.steps.filter(({ uses }) => uses === "./.github/actions/deploy");
    assert.equal(deploy.with.environment, environment);
    assert.match(scripts(job), /wrangler deploy .*--env "\$ENVIRONMENT"[^]*terraform apply[^]*wait-for-hosts/);
  }
  assert.match(scripts(called("security:scan")[1]), /cargo audit[^]*cargo deny check[^]*npm audit/);
  assert.match(scripts(called("performance:test")[1]), /--only bench/);
  assert.match(scripts(called("test:acceptance")[1]), /accept\.sh/);
});

test("every step of `cargo xtask test` is in exactly one stage", () => {
  const known = [...text("xtask/src/test/steps.rs").matchAll(/Step \{\s*name: "(\w+)"/g)].map(([, name]) => name);
  const used = jobs.flatMap(([, job]) => [...scripts(job).matchAll(/xtask test --only ([\w ]+)/g)].flatMap(([, names]) => names.trim().split(" ")));
  assert.ok(known.length > 15);
  assert.deepEqual([...used].sort(), [...known].sort());
});

test("a job may read the code, and only a deployment may ask for a token", () => {
  for (const path of WORKFLOWS) {
    const workflow = parse(text(path));
    assert.deepEqual(workflow.permissions, {}, path);
    assert.deepEqual(Object.keys(workflow.on).filter((event) => !["push", "pull_request"].includes(event)), []);
    for (const [id, job] of Object.entries(workflow.jobs)) {
      const expected = job.name.startsWith("deploy:") ? { contents: "read", "id-token": "write" } : { contents: "read" };
      assert.deepEqual(job.permissions, expected, id);
      assert.ok(job["timeout-minutes"] <= 120, `${id} ends by itself`);
    }
  }
});

test("actions of others are pinned to commits, and named by version beside it", () => {
  let pinned = 0;
  for (const path of [...WORKFLOWS, ...ACTIONS]) {
    for (const [, action, comment] of text(path).matchAll(/uses: (\S+)(.*)/g)) {
      if (action.startsWith("./")) continue;
      assert.match(`${action}${comment}`, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, path);
      pinned += 1;
    }
    for (const [, block] of text(path).matchAll(/uses: actions\/checkout.*\n(.*)/g)) assert.match(block, /persist-credentials: false/, path);
  }
  assert.ok(pinned > 10);
});

test("secrets are only in the environment of the step that needs them, and nothing is put into scripts", () => {
  for (const [id, job] of jobs) {
    const secret = (value) => JSON.stringify(value ?? {}).includes("secrets.");
    assert.ok(!secret(job.env) && !secret(pipeline.env), id);
    assert.ok(!secret(job) || job.environment, `${id} has secrets of no environment`);
    for (const { run = "", shell = "", env = {} } of steps(job)) {
      assert.doesNotMatch(run, /\$\{\{/, "a value in a script is code");
      assert.doesNotMatch(`${run} ${shell}`, /set -[a-z]*x|bash -[a-z]*x|\bprintenv\b/, `${id} would log what it runs`);
      const hidden = Object.keys(env).filter((name) => /TOKEN|KEY|SECRET/.test(name));
      for (const name of hidden) assert.doesNotMatch(run, new RegExp(`\\$\\{?${name}`), `${id}: a command line shows ${name}`);
    }
  }
  const aws = steps(called("deploy:production")[1]).find(({ uses = "" }) => uses.startsWith("aws-actions/"));
  assert.deepEqual(Object.keys(aws.with).sort(), ["aws-region", "mask-aws-account-id", "role-to-assume"], "no key of AWS is stored");
});

test("a deployment is accepted only if every hop is well and it runs what was built", () => {
  const accept = (version, code) => {
    const folder = stubs({ "rotunda-x86_64": `echo '{"hops":[{"note":"version ${version}"}]}'; exit ${code}` });
    writeFileSync(join(folder, "manifest.json"), '{"version":"0.1.0+abc"}');
    return run(["bash", ".github/actions/deploy/accept.sh", folder], folder, { URL: "https://x", ROTUNDA_API_KEY: "id:hunter2" });
  };
  const well = accept("0.1.0+abc", 0);
  assert.equal(well.status, 0, well.stderr);
  assert.doesNotMatch(well.stdout + well.stderr, /hunter2/);
  assert.notEqual(accept("0.1.0+abd", 0).status, 0);
  assert.notEqual(accept("0.1.0+abc", 1).status, 0);
});

test("a deployment is waited for, group by group, and fails with a replacement that failed", () => {
  /** A script's calls of `aws` get these statuses, one after the other. */
  const wait = (...statuses) => {
    const folder = stubs({
      sleep: "exit 0",
      aws: `case $* in
        *describe-auto-scaling-groups*) echo rotunda-staging-eu-media ;;
        *) echo "$*" >> "$0.log"; set -- ${statuses.join(" ")}; shift $(($(wc -l < "$0.log") - 1)); echo "rotunda-staging-eu-media $1" ;;
      esac`,
    });
    writeFileSync(join(folder, "vars.json"), '{"name":"rotunda-staging","regions":{"eu":{"aws_region":"eu-central-1"}}}');
    const ended = run(["bash", ".github/actions/deploy/wait-for-hosts.sh", join(folder, "vars.json")], folder);
    return { status: ended.status, asked: readFileSync(join(folder, "aws.log"), "utf8").trim().split("\n").length };
  };
  assert.deepEqual(wait("Successful"), { status: 0, asked: 1 });
  assert.deepEqual(wait("Pending", "InProgress", "Successful"), { status: 0, asked: 3 });
  assert.deepEqual(wait("InProgress", "Failed", "Successful"), { status: 1, asked: 2 });
  assert.deepEqual(wait("RollbackInProgress", "RollbackSuccessful", "x"), { status: 1, asked: 2 });
});

/** A folder of programs that replace real ones. */
function stubs(programs) {
  const folder = join(temporaryFolder("stubs"), "bin");
  mkdirSync(folder);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

function run([program, ...args], folder, env = {}) {
  return spawnSync(program, args, { cwd: ROOT, encoding: "utf8", timeout: 20_000, env: { PATH: `${folder}:${process.env.PATH}`, ...env } });
}
