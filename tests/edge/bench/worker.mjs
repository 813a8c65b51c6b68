// Starts the room in plain JavaScript as `xtask/worker.mjs` starts ours.
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { dieWithParent } from "../../../xtask/worker.mjs";

const ROOM = fileURLToPath(new URL("room.mjs", import.meta.url));
const NAME = "room";

export async function startWorker({ tokenKey, log }) {
  dieWithParent();
  const miniflare = new Miniflare({
    name: NAME,
    port: 0,
    modules: true,
    scriptPath: ROOM,
    compatibilityDate: "2026-07-01",
    bindings: { TOKEN_KEY: tokenKey },
    durableObjects: { ROOM: { className: "RoomObject", useSQLite: true } },
    unsafeEphemeralDurableObjects: false,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    cf: false,
    log,
  });
  await miniflare.ready;
  return {
    direct: await miniflare.unsafeGetDirectURL(),
    evict: (className, name) => miniflare.unsafeEvictDurableObject(NAME, className, { name, webSockets: "hibernate" }),
  };
}
