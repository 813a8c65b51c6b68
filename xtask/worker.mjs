// Starts the built Worker under miniflare with the bindings that wrangler.toml names, for `cargo xtask dev` and for the
// edge's tests.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare } from "miniflare";
import { parse } from "smol-toml";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EDGE = join(ROOT, "edge");
const SCRIPT = "edge";

/** Written by `cargo xtask build edge`. */
const BUILDS = { development: join(ROOT, ".rotunda/edge"), release: join(EDGE, "build") };

/** Tables of wrangler.toml that an environment does not inherit (wrangler's rule). */
const NOT_INHERITED = ["vars", "durable_objects", "d1_databases", "r2_buckets", "ratelimits"];

/** The keys of wrangler.toml that this file understands; any other is reported as a mistake. */
const KNOWN = new Set([
  ...["$schema", "name", "main", "build", "rules", "compatibility_date", "compatibility_flags", "migrations", "assets"],
  ...["observability", "limits", "placement", "routes", "workers_dev", "preview_urls", "no_bundle", "find_additional_modules"],
  ...["send_metrics", "upload_source_maps", "base_dir", "minify", "keep_vars", "logpush", "account_id", "env", "dev"],
  ...NOT_INHERITED,
]);

/**
 * @param {object} [options]
 * @param {number} [options.port] 0 picks a free one
 * @param {string} [options.host]
 * @param {string} [options.persist] folder that keeps the objects' storage; without it, storage ends with the Worker
 * @param {Record<string, unknown>} [options.vars] secrets, and vars that override those of wrangler.toml
 * @param {Record<string, number>} [options.rateLimits] limits in place of those of wrangler.toml, by the binding's name
 * @param {"development" | "release"} [options.build]
 * @param {string} [options.environment] of wrangler.toml
 * @param {object | false} [options.cf] `request.cf` of requests without the header `MF-CF-Blob` (JSON)
 * @param {boolean} [options.assets] whether the built meet app is served, past which each request goes
 * @param {boolean} [options.https] whether it speaks TLS, with a certificate that nobody has signed
 * @param {boolean} [options.direct] whether `direct` shall be a second address, past miniflare's front
 * @param {import("miniflare").Log} [options.log]
 */
export async function startWorker(options = {}) {
  const config = readConfig(options.environment ?? "development");
  dieWithParent();
  const miniflare = new Miniflare({
    name: SCRIPT,
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    modulesRoot: EDGE,
    modules: modules(BUILDS[options.build ?? "release"]),
    cf: options.cf ?? false,
    log: options.log ?? new Log(LogLevel.WARN),
    unsafeEphemeralDurableObjects: false,
    https: options.https ?? false,
    ...(options.direct ? { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] } : {}),
    ...(options.persist ? { defaultPersistRoot: options.persist } : {}),
    ...workerOptions(config, options),
  });
  const url = await miniflare.ready;
  return {
    url,
    direct: options.direct ? await miniflare.unsafeGetDirectURL() : undefined,
    miniflare,
    /**
     * Evicts an object from memory, as hibernation does. Its sockets stay open, or close as after a crash.
     *
     * @param {string} className
     * @param {string} name as given to `idFromName`
     * @param {"hibernate" | "close"} [webSockets]
     */
    evict: (className, name, webSockets = "hibernate") =>
      miniflare.unsafeEvictDurableObject(SCRIPT, className, { name, webSockets }),
    stop: () => miniflare.dispose(),
  };
}

/** One environment of wrangler.toml, with the inherited settings. */
export function readConfig(environment) {
  const top = parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
  const own = top.env?.[environment];
  if (!own) throw new Error(`wrangler.toml has no environment ${environment}`);
  const inherited = Object.fromEntries(Object.entries(top).filter(([key]) => !NOT_INHERITED.includes(key)));
  const config = { ...inherited, ...own };
  const unknown = Object.keys(config).filter((key) => !KNOWN.has(key));
  if (unknown.length) throw new Error(`xtask/worker.mjs does not know what wrangler.toml means by ${unknown.join(", ")}`);
  return config;
}

function workerOptions(config, { vars = {}, rateLimits = {}, assets: serves = true }) {
  const sqlite = new Set((config.migrations ?? []).flatMap((migration) => migration.new_sqlite_classes ?? []));
  return {
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags ?? [],
    bindings: { ...config.vars, ...vars },
    durableObjects: table(config.durable_objects?.bindings, (binding) => [
      binding.name,
      { className: binding.class_name, useSQLite: sqlite.has(binding.class_name) },
    ]),
    d1Databases: table(config.d1_databases, (database) => [database.binding, database.database_id ?? database.database_name]),
    ratelimits: table(config.ratelimits, ({ name, namespace_id, simple }) => [
      name,
      { namespace_id, simple: { ...simple, limit: rateLimits[name] ?? simple.limit } },
    ]),
    r2Buckets: table(config.r2_buckets, (bucket) => [bucket.binding, bucket.bucket_name]),
    // If the meet app is not built, there are no assets, and the Worker answers everything.
    ...(serves && config.assets && existsSync(join(ROOT, config.assets.directory)) ? { assets: assets(config) } : {}),
  };
}

function assets(config) {
  const first = config.assets.run_worker_first;
  return {
    directory: join(ROOT, config.assets.directory),
    binding: config.assets.binding,
    routerConfig: {
      has_user_worker: true,
      ...(Array.isArray(first) ? { static_routing: routing(first) } : { invoke_user_worker_ahead_of_assets: first === true }),
    },
    assetConfig: {
      compatibility_date: config.compatibility_date,
      ...(config.assets.html_handling ? { html_handling: config.assets.html_handling } : {}),
      ...(config.assets.not_found_handling ? { not_found_handling: config.assets.not_found_handling } : {}),
    },
  };
}

/** wrangler writes exceptions from `run_worker_first` with a leading `!`. */
function routing(patterns) {
  return {
    user_worker: patterns.filter((pattern) => !pattern.startsWith("!")),
    asset_worker: patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)),
  };
}

/** The entry, the modules beside it, and a build, under the name by which the entry imports it (`edge/build`). */
function modules(build) {
  const beside = readdirSync(EDGE).filter((name) => name.endsWith(".mjs") && name !== "entry.mjs");
  return [
    ...["entry.mjs", ...beside].map((name) => ({ type: "ESModule", path: join(EDGE, name) })),
    { type: "ESModule", path: join(EDGE, "build/index.js"), contents: readFileSync(join(build, "index.js"), "utf8") },
    { type: "CompiledWasm", path: join(EDGE, "build/index_bg.wasm"), contents: readFileSync(join(build, "index_bg.wasm")) },
  ];
}

function table(entries, toPair) {
  return Object.fromEntries((entries ?? []).map(toPair));
}

/** miniflare starts workerd as a child, which would survive a `kill -9` of this process and hold its port. */
export function dieWithParent() {
  if (process.platform !== "linux" || process.env.MINIFLARE_WORKERD_PATH) return;
  const miniflare = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  process.env.ROTUNDA_WORKERD = miniflare("workerd").default;
  process.env.MINIFLARE_WORKERD_PATH = fileURLToPath(new URL("workerd.sh", import.meta.url));
}
