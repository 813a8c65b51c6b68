// Polls for a condition, with a readable error on timeout.

const EVERY_MS = 40;

/**
 * Calls `probe` until its result is truthy, and returns the result. A probe that throws is retried.
 *
 * @template T
 * @param {string} what for the message
 * @param {() => T | Promise<T>} probe
 * @param {number} [timeoutMs]
 * @returns {Promise<T>}
 */
export async function until(what, probe, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${show(last)})`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

function show(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}
