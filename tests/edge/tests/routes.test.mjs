// All HTTP answers of the Worker.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { KEYS, startEdge } from "../support/edge.mjs";
import { Socket, UpgradeRefused } from "../support/socket.mjs";
import { nodeToken, sign } from "../support/token.mjs";

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

async function checkError(response, status, code) {
  assert.equal(response.status, status);
  const body = await response.json();
  assert.equal(body.code, code);
  assert.equal(typeof body.message, "string");
  assert.match(body.request_id, /^[0-9a-f]{32}$/);
}

test("says that it is healthy", async () => {
  const response = await fetch(`${edge.http}/healthz`);
  assert.equal(response.status, 200);
  const { status, version } = await response.json();
  const [, expected] = readFileSync(new URL("../../../Cargo.toml", import.meta.url), "utf8").match(/\[workspace\.package\]\nversion = "(.*)"/);
  assert.deepEqual([status, version], ["ok", expected]);
});

test("unknown paths and methods under /v1 are errors in JSON", async () => {
  for (const path of ["/v1", "/v1/", "/v1/rooms/", "/v1/rooms/daily/", "/v1/rooms/daily/socket/more", "/v1/place", "/v1/participant"]) {
    await checkError(await fetch(edge.http + path), 404, "not_found");
  }
  for (const path of ["/v1/rooms/daily/socket", "/v1/rooms/daily/node", "/v1/nodes/socket", "/healthz"]) {
    const response = await fetch(edge.http + path, { method: "POST" });
    assert.equal(response.headers.get("allow"), "GET", path);
    await checkError(response, 405, "method_not_allowed");
  }
});

// Holds S3-SIG-01.
test("paths for sockets ask for an upgrade", async () => {
  for (const path of ["/v1/rooms/daily/socket", "/v1/rooms/daily/node", "/v1/nodes/socket"]) {
    const response = await fetch(edge.http + path);
    await checkError(response, 426, "unsupported_version");
  }
});

test("a broken configuration is our fault, not a crash", async () => {
  const broken = await startEdge({ vars: { REGIONS: "{", DEFAULT_REGION: "" } });
  try {
    await checkError(await fetch(`${broken.http}/healthz`), 500, "internal");
    await checkError(await fetch(`${broken.http}/v1/anything`), 500, "internal");
  } finally {
    await broken.stop();
  }
});

async function checkNodeRefused(path, protocols, authorization, status, code) {
  const headers = authorization ? { authorization } : {};
  const refused = await Socket.open(edge.ws + path, protocols, { headers }).then(
    () => assert.fail("the socket opened"),
    (error) => error,
  );
  assert.ok(refused instanceof UpgradeRefused, String(refused));
  assert.equal(refused.status, status);
  assert.equal(JSON.parse(refused.body).code, code);
}

test("nodes without a good token are refused with a status", async () => {
  const path = "/v1/nodes/socket";
  const good = nodeToken("n1", "local");
  const now = Math.floor(Date.now() / 1000);
  const check = (authorization, status, code) => checkNodeRefused(path, "rotunda-node.v1", authorization, status, code);
  await check(undefined, 401, "bad_token");
  await check(`Basic ${good}`, 401, "bad_token");
  await check("Bearer nonsense", 401, "bad_token");
  await check(`Bearer ${nodeToken("n1", "local", {}, KEYS.token)}`, 401, "bad_token");
  await check(`Bearer ${nodeToken("n1", "local", { aud: "rotunda-join" })}`, 401, "bad_token");
  await check(`Bearer ${nodeToken("n1", "local", { iat: now - 7200, exp: now - 3600 })}`, 401, "token_expired");
  await check(`Bearer ${nodeToken("n1", "atlantis")}`, 403, "forbidden");
  await checkNodeRefused(path, "rotunda-node.v9", `Bearer ${good}`, 400, "unsupported_version");
  await checkNodeRefused(path, [], `Bearer ${good}`, 400, "unsupported_version");
});

test("a node token is no ticket, and neither is one that the node's own key signed", async () => {
  const path = "/v1/rooms/daily/node";
  const claims = { aud: "rotunda-ticket", sub: "n1", room: "daily", epoch: 1 };
  await checkNodeRefused(path, "rotunda-node.v1", `Bearer ${nodeToken("n1", "local")}`, 401, "bad_token");
  await checkNodeRefused(path, "rotunda-node.v1", `Bearer ${sign(claims, KEYS.node)}`, 401, "bad_token");
  await checkNodeRefused("/v1/rooms/b%C3%A4d/node", "rotunda-node.v1", `Bearer ${sign(claims, KEYS.node)}`, 404, "not_found");
});
