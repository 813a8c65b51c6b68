// Assertions on refusals of the HTTP API.
import assert from "node:assert/strict";

/** All errors have the same shape. */
export function checkRefused({ status, body }, expected, code) {
  assert.deepEqual([status, body?.code], [expected, code], JSON.stringify(body));
  assert.equal(typeof body.message, "string");
  assert.match(body.request_id, /^[0-9a-f]{32}$/);
}
