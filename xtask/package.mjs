// Builds a package of `client/` into its folder `dist`: an ES module, one for each part that it loads on demand, and declarations that every resolver of TypeScript reads.
// `npm run build` and `npm pack` start it in the package's folder; it prints the size that an application downloads.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Size limits of the packages in an application: minified and gzipped. */
const GZIP_BYTES_MAX = { "@rotunda/client": 29_500, "@rotunda/react": 5_000 };

const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
rmSync("dist", { recursive: true, force: true });
copyFileSync(join(ROOT, "LICENSE"), "LICENSE");
/** The sources of the parts that are loaded on demand. */
const parts = new Set();
const options = {
  entryPoints: ["src/index.ts"],
  bundle: true,
  format: "esm",
  target: "es2023",
  jsx: "automatic",
  packages: "external",
  tsconfig: "tsconfig.build.json",
  logLevel: "warning",
  plugins: [{ name: "on-demand", setup: (plugin) => plugin.onResolve({ filter: /^\./ }, onDemand) }],
};
await build({ ...options, outfile: "dist/index.js", sourcemap: true });
// A part may load others.
for (const part of parts) await build({ ...options, entryPoints: [`${part}.ts`], outfile: `dist/${basename(part)}.js`, sourcemap: true });
execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "--project", "tsconfig.build.json"], { stdio: "inherit" });
readdirSync("dist", { recursive: true })
  .filter((file) => file.endsWith(".d.ts"))
  .forEach((file) => nameFiles(join("dist", file)));

const { outputFiles } = await build({ ...options, minify: true, write: false });
const { contents } = outputFiles[0];
const gzip = gzipSync(contents, { level: 9 }).length;
console.log(`${name} ${version}: ${kilobytes(contents.length)} minified, ${kilobytes(gzip)} with gzip`);
if (gzip > GZIP_BYTES_MAX[name]) throw new Error(`${name} may have ${kilobytes(GZIP_BYTES_MAX[name])} with gzip`);

/** Leaves a part out of the module that loads it. */
function onDemand({ kind, path, resolveDir }) {
  if (kind !== "dynamic-import") return undefined;
  parts.add(join(resolveDir, path));
  return { path: `./${basename(path)}.js`, external: true };
}

/** Adds the file endings that the sources omit: Node.js and `moduleResolution: nodenext` resolve only whole names. */
function nameFiles(file) {
  const text = readFileSync(file, "utf8");
  const whole = text.replace(/(?<=\b(?:from|import) ?\(?)"(\.[^"]*)"/g, (_, specifier) => {
    const declared = ["", "/index"].find((end) => existsSync(join(dirname(file), `${specifier}${end}.d.ts`)));
    if (declared === undefined) throw new Error(`${file}: ${specifier} is not in the package`);
    return `"${specifier}${declared}.js"`;
  });
  writeFileSync(file, whole);
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
