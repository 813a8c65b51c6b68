// The thin JavaScript entry around the Rust build.
//
// A panic in wasm ends the one instance that serves every object and request of the isolate: the promises that were
// pending would never settle, and their callers would hang until the platform gives up. This entry fails them at
// once; the next call gets a fresh instance (worker-build's shim makes it), and objects restore from storage.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import RustWorker, { DirectoryObject as RustDirectory, FleetObject as RustFleet, RoomObject as RustRoom } from "./build/index.js";
import { failOnPanic } from "./pending.mjs";

// Set by the start function of the crate `worker` when the module above was evaluated.
const guard = failOnPanic(globalThis.__worker_init_state);

/** Hands every event of a Durable Object to its Rust class. */
function durableObject(RustClass) {
  return class extends DurableObject {
    #rust;

    constructor(state, env) {
      super(state, env);
      this.#rust = new RustClass(state, env);
    }

    fetch(request) {
      return guard(() => this.#rust.fetch(request));
    }

    alarm() {
      return guard(() => this.#rust.alarm());
    }

    webSocketMessage(socket, message) {
      return guard(() => this.#rust.webSocketMessage(socket, message));
    }

    webSocketClose(socket, code, reason, wasClean) {
      return guard(() => this.#rust.webSocketClose(socket, code, reason, wasClean));
    }

    webSocketError(socket, error) {
      return guard(() => this.#rust.webSocketError(socket, error));
    }
  };
}

export const RoomObject = durableObject(RustRoom);
export const DirectoryObject = durableObject(RustDirectory);
export const FleetObject = durableObject(RustFleet);

export default class extends WorkerEntrypoint {
  async fetch(request) {
    try {
      return await guard(() => new RustWorker(this.ctx, this.env).fetch(request));
    } catch (error) {
      return internalError(error);
    }
  }
}

/** The error shape of `edge/src/refusal.rs`, where Rust is in no state to make it. */
function internalError(error) {
  const request = crypto.randomUUID().replaceAll("-", "").slice(0, 24);
  console.error(JSON.stringify({ error: String(error), event: "request_failed", level: "error", request }));
  const body = { code: "internal", message: "something went wrong on our side", request_id: request };
  return Response.json(body, { status: 500, headers: { "cache-control": "no-store" } });
}
