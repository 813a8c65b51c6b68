// Reads the few instructions used in our Containerfiles, assembles their root file system, and starts its program as a
// container engine would: with another root, read-only, as an unprivileged user.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, lchownSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** As root, the program runs as its user; otherwise that user is mapped to the current one. */
const IS_ROOT = process.getuid() === 0;

/** Everything but the volume is read-only before the program starts. */
const ENTER = `set -e
mount --bind "$1" "$1"
if [ -n "$2" ]; then mount --bind "$3" "$1$2"; fi
mount -o remount,bind,ro "$1"
user=$4 root=$1
shift 4
${IS_ROOT ? 'exec chroot --userspec="$user:$user" "$root" "$@"' : 'exec unshare --user --map-user="$user" --map-group="$user" --root="$root" "$@"'}`;

/**
 * @param {string} path
 * @returns {{ from: string, copies: object[], env: Record<string, string>, user: string, volumes: string[], exposed: string[], signal: string, entrypoint: string[] }}
 */
export function readContainerfile(path) {
  const recipe = { from: "", copies: [], env: {}, user: "", volumes: [], exposed: [], signal: "", entrypoint: [] };
  const args = {};
  for (const line of readFileSync(path, "utf8").split("\n").filter((line) => line && !line.startsWith("#"))) {
    const [, instruction, rest] = line.match(/^([A-Z]+) (.*)$/) ?? [];
    const words = rest?.replace(/\$\{(\w+)\}/g, (_, name) => args[name]).split(" ");
    const setting = () => [words.join(" ").split("=")[0], words.join(" ").slice(words.join(" ").indexOf("=") + 1)];
    switch (instruction) {
      case "FROM": recipe.from = rest; break;
      case "ARG": { const [name, value] = setting(); args[name] = value; break; }
      case "ENV": { const [name, value] = setting(); recipe.env[name] = value; break; }
      case "COPY": {
        const option = (name) => words.find((word) => word.startsWith(`--${name}=`))?.split("=")[1];
        const paths = words.filter((word) => !word.startsWith("--"));
        recipe.copies.push({ sources: paths.slice(0, -1), target: paths.at(-1), owner: option("chown"), mode: option("chmod") });
        break;
      }
      case "VOLUME": recipe.volumes = JSON.parse(rest); break;
      case "EXPOSE": recipe.exposed = words; break;
      case "USER": recipe.user = rest; break;
      case "STOPSIGNAL": recipe.signal = rest; break;
      case "ENTRYPOINT": recipe.entrypoint = JSON.parse(rest); break;
      default: throw new Error(`${path}: ${line}`);
    }
  }
  return recipe;
}

/**
 * Assembles the root file system in `root`. `sources` locates the source of a COPY in the build context. A program that
 * is not static also gets its libraries; those of `cargo xtask dist` are static.
 */
export function buildRoot(recipe, root, sources) {
  chmodSync(root, 0o755);
  for (const { sources: names, target, owner, mode } of recipe.copies) {
    for (const name of names) {
      const file = join(root, target.endsWith("/") ? join(target, basename(name)) : target);
      mkdirSync(dirname(file), { recursive: true });
      copyFileSync(sources(name), file);
      chmodSync(file, Number.parseInt(mode, 8));
      own(file, owner);
      if (target.endsWith("/") && owner !== "0:0") own(dirname(file), owner);
      for (const library of libraries(file)) {
        mkdirSync(join(root, dirname(library)), { recursive: true });
        copyFileSync(library, join(root, library));
      }
    }
  }
}

/** The command that starts the recipe's program in `root`, with the folder `volume` as its volume. */
export function enter(recipe, root, volume = "") {
  const [where = ""] = recipe.volumes;
  if (volume) own(volume, recipe.user);
  const namespaces = IS_ROOT ? ["unshare", "--mount"] : ["unshare", "--user", "--map-root-user", "--mount"];
  return [...namespaces, "sh", "-c", ENTER, "sh", root, volume && where, volume, recipe.user.split(":")[0], ...recipe.entrypoint];
}

function own(path, owner) {
  if (IS_ROOT) lchownSync(path, ...owner.split(":").map(Number));
}

/** The program and the libraries that the dynamic loader would load for it. */
function libraries(file) {
  if (readFileSync(file).subarray(0, 4).toString("latin1") !== "\x7fELF") return [];
  const listed = execFileSync("sh", ["-c", 'ldd "$1" || true', "sh", file], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return listed.split("\n").flatMap((line) => line.match(/(\/\S+) \(0x/)?.[1] ?? []).filter((library) => existsSync(library));
}
