// Keeps track of the promises that a wasm panic would leave pending for ever.

/**
 * Watches `state.criticalError`, which the crate `worker` sets in its panic hook, and returns a function that runs a
 * call so that its promise is rejected at the moment of the panic, whoever panicked.
 *
 * @param {{ criticalError: boolean }} state
 * @returns {<T>(call: () => T | Promise<T>) => Promise<T>}
 */
export function failOnPanic(state) {
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
  return (call) =>
    new Promise((resolve, reject) => {
      // Registered before the call, because a call may panic synchronously.
      pending.add(reject);
      const settle = (how) => (value) => {
        pending.delete(reject);
        how(value);
      };
      try {
        Promise.resolve(call()).then(settle(resolve), settle(reject));
      } catch (error) {
        settle(reject)(error);
      }
    });
}
