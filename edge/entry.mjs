// The thin JavaScript entry around the Rust build: hands events to Rust, and survives its panics (instance.mjs).
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as rust from "./build/index.js";
import { watchInstance } from "./instance.mjs";

// Rust and JavaScript panics are easier to trace with a long stack.
Error.stackTraceLimit = 100;

const instance = watchInstance(rust.__worker_init_state(), rust.__wbg_reset_state);
addEventListener("error", (event) => instance.noteTrap(event.error));

/** Hands every event of a Durable Object to its Rust class. */
function durableObject(RustClass) {
  return class extends DurableObject {
    #object;
    /** The wasm instance that `#object` lives in. */
    #home;

    constructor(state, env) {
      super(state, env);
      this.#rust();
    }

    /** The Rust object, recreated if its instance has panicked. */
    #rust() {
      const current = instance.current();
      if (this.#home !== current) {
        this.#object = new RustClass(this.ctx, this.env);
        this.#home = current;
      }
      return this.#object;
    }

    fetch(request) {
      return instance.run(() => this.#rust().fetch(request));
    }

    alarm() {
      return instance.run(() => this.#rust().alarm());
    }

    webSocketMessage(socket, message) {
      if (RustClass.prototype.hear && typeof message === "string") {
        if (instance.runAtOnce(() => this.#rust().hear(socket, message))) return undefined;
        return instance.run(() => this.#rust().finish());
      }
      return instance.run(() => this.#rust().webSocketMessage(socket, message));
    }

    webSocketClose(socket, code, reason, wasClean) {
      return instance.run(() => this.#rust().webSocketClose(socket, code, reason, wasClean));
    }

    webSocketError(socket, error) {
      return instance.run(() => this.#rust().webSocketError(socket, error));
    }
  };
}

export const RoomObject = durableObject(rust.RoomObject);
export const DirectoryObject = durableObject(rust.DirectoryObject);
export const FleetObject = durableObject(rust.FleetObject);

export default class extends WorkerEntrypoint {
  async fetch(request) {
    try {
      return await instance.run(() => rust.fetch(request, this.env, this.ctx));
    } catch (error) {
      return internalError(error);
    }
  }
}

/** The error shape of `edge/src/refusal.rs`, for use when Rust cannot produce it. */
function internalError(error) {
  const request = crypto.randomUUID().replaceAll("-", "").slice(0, 24);
  console.error(JSON.stringify({ error: String(error), event: "request_failed", level: "error", request }));
  const body = { code: "internal", message: "an internal error occurred", request_id: request };
  return Response.json(body, { status: 500, headers: { "cache-control": "no-store" } });
}
