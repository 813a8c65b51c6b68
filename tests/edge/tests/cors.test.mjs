// Pages of listed origins may call over HTTP, with credentials; pages of other origins may not.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startEdge } from "../support/edge.mjs";
import { joinToken } from "../support/token.mjs";

const LISTED = "https://app.example.org";
const UNLISTED = "https://evil.example";
/** Paths outside the HTTP API. */
const OTHERS = [
  ["/healthz", ["GET"]],
  ["/v1/guests", ["GET", "POST"]],
  ["/v1/rooms/daily/socket", ["GET"]],
  ["/v1/rooms/daily/events", ["GET", "POST"]],
  ["/v1/rooms/daily/node", ["GET"]],
  ["/v1/nodes/socket", ["GET"]],
  ["/v1/nodes/recordings", ["POST"]],
  ["/v1/nodes/quality", ["POST"]],
  ["/v1/nodes/ticket", ["POST"]],
];
const { paths } = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8"));
const API = Object.entries(paths).map(([path, operations]) => [path.replaceAll(/\{\w+\}/g, "daily"), Object.keys(operations).map((method) => method.toUpperCase())]);
const ROUTES = [...OTHERS, ...API];

let edge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

function preflight(at, path, origin) {
  const headers = { origin, "access-control-request-method": "GET", "access-control-request-headers": "authorization" };
  return fetch(at.http + path, { method: "OPTIONS", headers });
}

// Holds S0-SIG-12, S2-SIG-04.
test("a page of a listed origin may call every path with the methods that it has, and with credentials", async () => {
  for (const [path, methods] of ROUTES) {
    const { status, headers } = await preflight(edge, path, LISTED);
    assert.equal(status, 204, path);
    assert.equal(headers.get("access-control-allow-origin"), LISTED, path);
    assert.equal(headers.get("access-control-allow-credentials"), "true", path);
    assert.deepEqual(headers.get("access-control-allow-methods").split(", ").sort(), methods.toSorted(), path);
    assert.match(headers.get("access-control-allow-headers"), /authorization/i, path);
    assert.match(headers.get("vary"), /origin/i, path);
  }
});

// Holds S0-SIG-12, S2-SIG-04.
test("a page of a listed origin can read answers, errors included", async () => {
  const authorization = `Bearer ${joinToken("daily", "ada", { grants: { record: true } })}`;
  const asked = [
    ["GET", "/healthz", 200],
    ["GET", "/v1/openapi.json", 200],
    ["GET", "/v1/rooms", 401],
    ["GET", "/v1/nothing", 404],
    ["PUT", "/v1/rooms", 405],
    // Requests of the SDK's `listRecordings` and `deleteRecording`.
    ["GET", "/v1/rooms/daily/recordings", 503],
    ["DELETE", "/v1/rooms/daily/recordings/r1", 503],
  ];
  for (const [method, path, status] of asked) {
    const bearer = path.includes("recordings") ? { authorization } : {};
    const response = await fetch(edge.http + path, { method, headers: { origin: LISTED, ...bearer } });
    assert.equal(response.status, status, path);
    assert.equal(response.headers.get("access-control-allow-origin"), LISTED, path);
    assert.equal(response.headers.get("access-control-allow-credentials"), "true", path);
    await response.text();
  }
});

// Holds S0-SIG-12, S2-SIG-04.
test("a page of another origin gets neither a preflight nor an answer that it could read", async () => {
  for (const origin of [UNLISTED, "null", `${LISTED}.evil.example`]) {
    for (const [path] of ROUTES) {
      const refused = await preflight(edge, path, origin);
      assert.equal(refused.status, 403, path);
      assert.equal((await refused.json()).code, "forbidden");
      const read = await fetch(edge.http + path, { headers: { origin } });
      await read.text();
      for (const { headers } of [refused, read]) {
        // Only the document is public, and never with credentials.
        const expected = path === "/v1/openapi.json" && headers === read.headers ? "*" : null;
        assert.equal(headers.get("access-control-allow-origin"), expected, path);
        assert.equal(headers.get("access-control-allow-credentials"), null, path);
      }
    }
  }
});

test("a page can read that it comes too often, where its origin is listed", async () => {
  const ask = (method, path, origin) => {
    const preflight = method === "OPTIONS" ? { "access-control-request-method": "GET" } : {};
    return fetch(edge.http + path, { method, headers: { origin, "cf-connecting-ip": "198.51.100.77", ...preflight } });
  };
  const room = "/v1/rooms/daily";
  for (const [method, path] of [["GET", `${room}/socket`], ["OPTIONS", `${room}/socket`], ["GET", `${room}/events`]]) {
    for (const origin of [LISTED, UNLISTED]) {
      // Requests without a credential count as one client's: some are let through, the others are refused.
      const answers = await Promise.all(Array.from({ length: 200 }, () => ask(method, path, origin)));
      const refused = answers.filter((answer) => answer.status === 429);
      assert.notEqual(refused.length, 0, `${method} ${path}`);
      for (const { headers } of refused) {
        const isListed = origin === LISTED;
        assert.equal(headers.get("access-control-allow-origin"), isListed ? LISTED : null, `${method} ${path}`);
        assert.equal(headers.get("access-control-allow-credentials"), isListed ? "true" : null, `${method} ${path}`);
        assert.match(headers.get("vary") ?? "", /origin/i, `${method} ${path}`);
      }
      await Promise.all(answers.map((answer) => answer.body?.cancel()));
    }
  }
});

test("an unknown path has no methods to allow", async () => {
  assert.equal((await preflight(edge, "/v1/nothing", LISTED)).status, 404);
});

test("where every origin may call, none may send credentials", async () => {
  const open = await startEdge({ vars: { ALLOWED_ORIGINS: "*" } });
  try {
    for (const response of [await preflight(open, "/v1/rooms", UNLISTED), await fetch(`${open.http}/healthz`, { headers: { origin: UNLISTED } })]) {
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
      assert.equal(response.headers.get("access-control-allow-credentials"), null);
    }
  } finally {
    await open.stop();
  }
});

// Holds S2-SIG-04.
test("a developer's pages may call, those at http://localhost:3000 with credentials", async () => {
  const plain = await startEdge({ vars: { ALLOWED_ORIGINS: undefined } });
  try {
    for (const [origin, allowed, credentials] of [
      ["http://localhost:3000", "http://localhost:3000", "true"],
      ["http://192.0.2.7:5173", "*", null],
    ]) {
      const { status, headers } = await preflight(plain, "/v1/guests", origin);
      const said = ["access-control-allow-origin", "access-control-allow-credentials"].map((name) => headers.get(name));
      assert.deepEqual([status, ...said], [204, allowed, credentials]);
    }
  } finally {
    await plain.stop();
  }
});
