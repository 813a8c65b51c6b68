// Waiting for something to become true, with words for when it does not.

const EVERY_MS = 40;

/**
 * Calls `probe` until what it returns is truthy, and returns that. A probe that throws is tried again.
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
