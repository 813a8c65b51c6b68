// The one wasm instance that serves every object and request of an isolate, and the recovery from its panics: pending
// calls fail at once, the next call gets a fresh instance, and objects are recreated in it from their storage.

/**
 * Watches `state.criticalError`, which the crate `worker` sets in its panic hook.
 *
 * @param {{ criticalError: boolean, instanceId: number }} state
 * @param {() => void} reset creates a fresh instance
 */
export function watchInstance(state, reset) {
  const pending = new Set();
  let critical = state.criticalError;
  Object.defineProperty(state, "criticalError", {
    get: () => critical,
    set(value) {
      critical = value;
      if (!value) return;
      const rejects = [...pending];
      pending.clear();
      for (const reject of rejects) reject(new Error("the Worker's wasm instance panicked"));
    },
  });

  /** A trap such as a stack overflow also ends the instance, without running a panic hook. */
  function noteTrap(error) {
    if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
    return error;
  }

  /** The number of the instance to call: a fresh one after a panic. */
  function current() {
    if (state.criticalError) {
      reset();
      state.criticalError = false;
      state.instanceId += 1;
    }
    return state.instanceId;
  }

  return {
    current,
    noteTrap,
    runAtOnce(call) {
      try {
        current();
        return call();
      } catch (error) {
        throw noteTrap(error);
      }
    },

    /**
     * Runs a call so that its promise is rejected at the moment of a panic, whichever call panicked.
     *
     * @template T
     * @param {() => T | Promise<T>} call
     * @returns {Promise<T>}
     */
    run: (call) =>
      new Promise((resolve, reject) => {
        current();
        // Registered before the call, because a call may panic synchronously.
        pending.add(reject);
        const fail = (error) => {
          pending.delete(reject);
          reject(noteTrap(error));
        };
        const succeed = (value) => {
          pending.delete(reject);
          resolve(value);
        };
        try {
          Promise.resolve(call()).then(succeed, fail);
        } catch (error) {
          fail(error);
        }
      }),
  };
}
