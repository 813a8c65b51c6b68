// The built Worker in workerd, as the tests of this folder use it.
import { Log, LogLevel } from "miniflare";
import { startWorker } from "../../../xtask/worker.mjs";

/** Secrets of the tests; tokens may be signed with any of a list. */
export const KEYS = {
  token: { id: "t1", secret: "join-tokens-of-the-tests-0123456789" },
  tokenOld: { id: "t0", secret: "earlier-join-tokens-of-the-tests-01" },
  node: { id: "n1", secret: "node-tokens-of-the-tests-0123456789" },
};

export const VARS = {
  TOKEN_KEYS: list(KEYS.token, KEYS.tokenOld),
  NODE_KEYS: list(KEYS.node),
  ICE_SERVERS: JSON.stringify([{ urls: ["stun:stun.example.org:3478"] }]),
  ALLOWED_ORIGINS: "https://app.example.org",
};

/** Which object serves a room. */
export const roomObject = (room) => `${room}:1`;

/**
 * Starts the Worker; `stop` with the test that started it. Options as for `startWorker`, `vars` over those above.
 */
export async function startEdge(options = {}) {
  const worker = await startWorker({
    environment: "development",
    build: "development",
    log: new Log(LogLevel.NONE),
    ...options,
    vars: { ...VARS, ...options.vars },
  });
  const guests = new Set();
  // miniflare makes its first call of a kind with `Atomics.wait`, in which the clients of this process would hear nothing.
  await evict(worker, "RoomObject", "nobody").catch(() => {});
  return {
    ...worker,
    /** Nodes that registered here; they go before the Worker does. */
    guests,
    async stop() {
      for (const guest of guests) guest.die();
      await worker.stop();
    },
    http: new URL(worker.url).origin,
    ws: new URL(worker.url).origin.replace("http", "ws"),
    /** Takes a room out of memory as hibernation does. */
    hibernate: (room) => evict(worker, "RoomObject", roomObject(room)),
    /** Takes a region's fleet out of memory as hibernation does. */
    hibernateFleet: (region) => evict(worker, "FleetObject", `fleet:${region}`),
  };
}

/** An object in the middle of an event cannot sleep yet. */
async function evict(worker, className, name, attempts = 5) {
  try {
    await worker.evict(className, name);
  } catch (error) {
    if (attempts === 0 || !error.message.includes("active references")) throw error;
    await evict(worker, className, name, attempts - 1);
  }
}

function list(...keys) {
  return keys.map(({ id, secret }) => `${id}:${secret}`).join(",");
}
