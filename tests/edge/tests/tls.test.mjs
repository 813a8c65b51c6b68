// Signaling over TLS, which workerd ends here as the platform does for a deployment.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { Client } from "../support/client.mjs";
import { KEYS, startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { UpgradeRefused } from "../support/socket.mjs";
import { joinToken } from "../support/token.mjs";

// Nobody has signed the certificate.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";

const SOCKET_RATE = 6;

// Holds S3-SEC-01.
test("over wss, tokens are checked, rooms are full or locked, and a client in a loop is refused", async (t) => {
  const edge = await startEdge({ https: true, rateLimits: { SOCKET_RATE } });
  t.after(() => edge.stop());
  assert.match(edge.ws, /^wss:/);
  await MediaNode.start(edge);
  const refusal = async (participant, options) => {
    const client = await Client.connect(edge, "daily", participant, options);
    return (await Promise.race([client.next("refused"), client.join()])).code;
  };

  assert.equal(await refusal("eve", { token: "nonsense" }), "bad_token");
  assert.equal(await refusal("eve", { token: joinToken("daily", "eve", {}, { ...KEYS.token, secret: KEYS.api.secret }) }), "bad_token");
  assert.equal(await refusal("eve", { token: joinToken("another", "eve") }), "wrong_room");

  const ada = await Client.join(edge, "daily", "ada", { claims: { participants_max: 2 } });
  assert.equal(ada.joined.type, "joined");
  assert.equal((await Client.join(edge, "daily", "grace")).joined.type, "joined");
  assert.equal(await refusal("alan"), "room_full");
  assert.equal((await edge.api("PATCH", "/v1/rooms/daily", { body: { participants_max: 10, locked: true } })).status, 200);
  assert.equal(await refusal("alan"), "room_locked");

  // The platform restarts its counts every ten seconds.
  const left = 10_000 - (Date.now() % 10_000);
  if (left < 4_000) await setTimeout(left);
  for (let number = 0; number < SOCKET_RATE; number++) await (await Client.connect(edge, "loop", "eve")).close();
  await assert.rejects(Client.connect(edge, "loop", "eve"), (error) => error instanceof UpgradeRefused && error.status === 429);
});

// Holds S3-DEP-02.
test("the port of wss opens no WebSocket without TLS", async (t) => {
  const edge = await startEdge({ https: true });
  t.after(() => edge.stop());
  await assert.rejects(Client.connect({ ...edge, ws: edge.ws.replace("wss:", "ws:") }, "daily", "ada"));
});
