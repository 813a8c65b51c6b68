// The packages as npm would serve them, installed by the example outside this workspace: their files, their types, and a call.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Browser } from "./browsers.mjs";
import { fakeDevices } from "./page/devices.mjs";
import { senses } from "./page/senses.mjs";
import { Stack } from "./stack.mjs";
import { temporaryFolder } from "./temporary.mjs";
import { together } from "./together.mjs";
import { until } from "./until.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKAGES = { "@rotunda/client": "client/sdk", "@rotunda/react": "client/react" };
const PICTURE = { width: 320, height: 180, framesPerSecond: 15 };
const CONTENT_TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** The example, where no folder above has packages. */
const example = join(temporaryFolder("example"), "call");
const tool = (name) => join(ROOT, "node_modules/.bin", name);
const run = (program, args, cwd = example) => execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const installed = (name, file) => join(example, "node_modules", name, file);
const manifest = (name) => JSON.parse(readFileSync(installed(name, "package.json"), "utf8"));

/** The output of `npm pack` for each package. */
let packed;

before(() => {
  cpSync(join(ROOT, "docs/examples/call"), example, { recursive: true });
  const folders = Object.values(PACKAGES).flatMap((folder) => ["--workspace", folder]);
  const [, sizes, list] = run("npm", ["pack", "--silent", "--json", "--pack-destination", example, ...folders], ROOT).match(/^(.*?)^([[{].*)$/ms);
  console.log(sizes.trim());
  packed = Object.values(JSON.parse(list));
  const tarballs = packed.map(({ filename }) => join(example, filename));
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--omit=dev", "--install-links", ...tarballs]);
});

/** Modules that are loaded on demand. */
const PARTS = { "@rotunda/client": ["direct-media", "event-stream", "peers", "profile"], "@rotunda/react": [] };

test("the tarballs hold the build, its types, a README and the licence, and nothing else", () => {
  assert.deepEqual(packed.map(({ name }) => name).sort(), Object.keys(PACKAGES));
  for (const { name, files } of packed) {
    const paths = files.map(({ path }) => path);
    for (const file of ["LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.js.map", "dist/index.d.ts"]) {
      assert.ok(paths.includes(file), `${name} has no ${file}`);
    }
    const others = paths.filter((path) => !/^(LICENSE|README\.md|package\.json|dist\/(index\.js(\.map)?|.*\.d\.ts))$/.test(path));
    const parts = PARTS[name].flatMap((part) => [`dist/${part}.js`, `dist/${part}.js.map`]);
    assert.deepEqual(others.sort(), parts.sort(), name);
    assert.ok(!paths.some((path) => /test|fixture|example/.test(path)), name);
    assert.equal(readFileSync(installed(name, "LICENSE"), "utf8"), readFileSync(join(ROOT, "LICENSE"), "utf8"));
  }
});

test("the manifests name an ES module, its types, no effects, and the version of the workspace", () => {
  const version = readFileSync(join(ROOT, "Cargo.toml"), "utf8").match(/\[workspace\.package\]\nversion = "(.*)"/)?.[1];
  for (const name of Object.keys(PACKAGES)) {
    const { type, sideEffects, license, exports, types, version: own, private: isPrivate, dependencies } = manifest(name);
    assert.deepEqual({ type, sideEffects, license, isPrivate }, { type: "module", sideEffects: false, license: "MIT", isPrivate: undefined });
    assert.equal(own, version);
    assert.equal(dependencies, undefined);
    for (const target of [types, exports["."].types, exports["."].default]) assert.ok(existsSync(installed(name, target)), `${name}: ${target}`);
  }
  assert.equal(manifest("@rotunda/react").peerDependencies["@rotunda/client"], `^${version}`);
});

test("both can be imported where there is no browser, and export what the README says", () => {
  const code = `
    const { Room, roomUrl } = await import("@rotunda/client");
    const { useRoom, TileGrid } = await import("@rotunda/react");
    console.log([Room.join, roomUrl, useRoom, TileGrid].map((each) => typeof each).join());`;
  assert.equal(run(process.execPath, ["--input-type=module", "--eval", code]).trim(), "function,function,function,function");
});

test("the types are whole for bundlers and for Node.js, with nothing skipped", () => {
  // The compiler's own folder has no types for React beside the example.
  cpSync(join(ROOT, "node_modules/@types/react"), installed("@types/react", ""), { recursive: true });
  cpSync(join(ROOT, "node_modules/@types/react-dom"), installed("@types/react-dom", ""), { recursive: true });
  cpSync(join(ROOT, "node_modules/csstype"), installed("csstype", ""), { recursive: true });
  run(tool("tsc"), ["--skipLibCheck", "false"]);
  run(tool("tsc"), ["--skipLibCheck", "false", "--module", "nodenext", "--moduleResolution", "nodenext"]);
});

test("two people meet on the example's page", async (t) => {
  run(tool("vite"), ["build", "--logLevel", "warn"]);
  const server = await serve(join(example, "dist"));
  const [stack, chromium] = await together(Stack.start({ logs: join(ROOT, ".rotunda/logs/packages") }), Browser.start("chromium"));
  t.after(() => Promise.all([stack.stop(), chromium.stop(), new Promise((done) => server.close(done))]));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const open = async (id, identity) => {
    const page = await chromium.page([fakeDevices, { identity, toneHz: 220 * identity, ...PICTURE }], [senses, PICTURE]);
    await page.open(url);
    await page.fill('[name="edge"]', stack.url);
    await page.fill('[name="room"]', "example");
    await page.fill('[name="token"]', stack.token("example", id, { name: id }));
    await page.click("#join");
    return page;
  };
  const [ada, grace] = [await open("ada", 1), await open("grace", 2)];
  const sees = (page, id, identity) =>
    until(`the page shows ${id}`, async () => {
      const pictures = await page.evaluate(() => window.senses.pictures());
      if (pictures.length < 2) throw new Error(`shows ${JSON.stringify(pictures)}, ${await page.evaluate(() => document.body.innerText)}`);
      return pictures.some((shown) => shown.participant === id && shown.identity === identity && Math.abs(shown.ageMs) < 5_000);
    });
  await Promise.all([sees(ada, "grace", 2), sees(grace, "ada", 1)]);
  await grace.click("#leave");
  await until("Grace's tile is gone", async () => (await ada.evaluate(() => document.querySelectorAll("[data-participant]").length)) === 1);
  assert.deepEqual([ada.complaints, grace.complaints], [[], []]);
});

/** Serves the built page, as any web server would. */
async function serve(folder) {
  const server = createServer((request, response) => {
    const path = join(folder, request.url === "/" ? "index.html" : new URL(request.url, "http://localhost").pathname);
    const found = path.startsWith(folder) && existsSync(path);
    response.writeHead(found ? 200 : 404, { "content-type": CONTENT_TYPES[extname(path)] ?? "text/plain" });
    response.end(found ? readFileSync(path) : undefined);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}
