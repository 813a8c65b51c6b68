// A client's trace (W3C Trace Context): in the log, at the node, and at an OpenTelemetry collector.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const query = (flags = "01") => `traceparent=00-${TRACE_ID}-${SPAN_ID}-${flags}`;

const SECRET = "Bearer of-the-collector";

let collector;
let edge;
const exported = [];
let status = 200;
before(async () => {
  collector = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    exported.push({ path: request.url, type: request.headers["content-type"], authorization: request.headers.authorization, body: JSON.parse(body) });
    response.writeHead(status).end();
  });
  collector.listen(0, "127.0.0.1");
  await once(collector, "listening");
  edge = await startEdge({ vars: { OTLP: `http://127.0.0.1:${collector.address().port}`, OTLP_AUTHORIZATION: SECRET } });
});
after(async () => {
  await edge.stop();
  collector.close();
});

const open = (name, parameters) =>
  Client.open(`${edge.ws}/v1/rooms/traced/socket?${parameters}`, ["rotunda.v1", `token.${joinToken("traced", name)}`]);

async function spans(count) {
  for (let waited = 0; exported.length < count && waited < 5_000; waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
  return exported;
}

test("a client's trace continues in the log, and one span of the request goes to the collector", async () => {
  const ada = await open("ada", query());
  const [{ path, type, authorization, body }] = await spans(1);
  assert.deepEqual([path, type, authorization], ["/v1/traces", "application/json", SECRET]);
  const [{ resource, scopeSpans }] = body.resourceSpans;
  assert.deepEqual(resource.attributes[0], { key: "service.name", value: { stringValue: "rotunda-edge" } });
  const [span, ...others] = scopeSpans[0].spans;
  assert.equal(others.length, 0);
  assert.deepEqual([span.traceId, span.parentSpanId, span.name], [TRACE_ID, SPAN_ID, "GET socket"]);
  assert.match(span.spanId, /^[0-9a-f]{16}$/);
  assert.notEqual(span.spanId, SPAN_ID);
  assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
  const values = Object.fromEntries(span.attributes.map(({ key, value }) => [key, value]));
  assert.deepEqual(values["http.response.status_code"], { intValue: "101" });
  const line = edge.records().find(({ event }) => event === "client_connected");
  assert.deepEqual([line.trace, line.request], [TRACE_ID, values["rotunda.request"].stringValue]);
  assert.ok(!JSON.stringify(body).includes("token."), "no secrets");
  await ada.close();
});

test("the node is told of the trace with the session", async () => {
  const node = await MediaNode.start(edge);
  const bob = await open("bob", query());
  bob.joined = await bob.join();
  const link = await node.serving("traced");
  const { trace } = link.sessions.get(bob.joined.session);
  assert.match(trace, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  await bob.close();
});

test("a client that asks for no export, or has no trace, gets none", async () => {
  await spans(2);
  const before = exported.length;
  await (await open("eve", query("00"))).close();
  await (await open("eve", "traceparent=00-nonsense")).close();
  await fetch(`${edge.http}/healthz`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(exported.length, before);
});

test("a request without a valid token causes no export", async () => {
  const before = exported.length;
  for (const path of ["/v1/nonsense", "/healthz", "/v1/rooms/traced/events", "/v1/rooms", "/v1/guests"]) {
    await (await fetch(`${edge.http}${path}?${query()}`)).text();
  }
  for (const protocols of [["rotunda.v1", "token.nonsense"], ["rotunda.v1", "resume.nonsense"]]) {
    const refused = await Client.open(`${edge.ws}/v1/rooms/traced/socket?${query()}`, protocols);
    await refused.close();
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(exported.length, before);
});

test("a collector that fails costs the span and no request", async () => {
  status = 503;
  const before = exported.length;
  const ivy = await open("ivy", query());
  await spans(before + 1);
  const [line] = await edge.logged("span_lost");
  assert.equal(line.trace, TRACE_ID);
  assert.ok(!edge.lines.join("\n").includes(SECRET), "no secrets");
  await ivy.close();
  status = 200;
});
