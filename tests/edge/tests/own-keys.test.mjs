// Join tokens that an application signs with a private key of its own.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign as signature } from "node:crypto";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken } from "../support/token.mjs";

const pair = (kid) => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid } };
};
const [first, second, stranger] = ["first", "second", "stranger"].map(pair);

let edge;
before(async () => {
  const keys = [first.jwk, second.jwk];
  edge = await startEdge({ vars: { TOKEN_PUBLIC_KEYS: JSON.stringify({ keys }) } });
  await MediaNode.start(edge);
});
after(() => edge.stop());

function token(key, claims = {}, header = {}) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const payload = { aud: "rotunda-join", iat: now, exp: now + 600, sub: "ada", room: "daily", name: "Ada", ...claims };
  const body = `${encode({ alg: "EdDSA", typ: "JWT", kid: key.kid, ...header })}.${encode(payload)}`;
  return `${body}.${signature(null, Buffer.from(body), key.privateKey).toString("base64url")}`;
}

async function refusal(text) {
  const client = await Client.connect(edge, "daily", "ada", { token: text });
  await client.ended();
  return client.frames.at(-1)?.code;
}

test("each of the keys opens the room, with the claims of our other tokens", async () => {
  for (const [key, header] of [[first, {}], [second, {}], [second, { kid: undefined }]]) {
    const ada = await Client.connect(edge, "daily", "ada", { token: token(key, { grants: { moderate: true } }, header) });
    const joined = await ada.join();
    assert.deepEqual([joined.type, joined.roster[0].name], ["joined", "Ada"]);
    assert.equal((await ada.request({ type: "update_room", locked: false })).type, "done");
    await ada.close();
  }
  const bob = await Client.connect(edge, "daily", "bob", { token: joinToken("daily", "bob") });
  assert.equal((await bob.join()).type, "joined", "the secrets are still good");
});

test("no other signature and no other claims do", async () => {
  assert.equal(await refusal(token({ ...stranger, kid: "first" })), "bad_token");
  assert.equal(await refusal(token(stranger)), "bad_token");
  assert.equal(await refusal(token(first, {}, { kid: "second" })), "bad_token");
  const [header, , sealed] = token(first).split(".");
  const [, payload] = token(first, { grants: { moderate: true } }).split(".");
  assert.equal(await refusal(`${header}.${payload}.${sealed}`), "bad_token");
  assert.equal(await refusal(token(first, { room: "weekly" })), "wrong_room");
  assert.equal(await refusal(token(first, { exp: Math.floor(Date.now() / 1000) - 60 })), "token_expired");
  assert.equal(await refusal(token(first, { aud: "rotunda-node" })), "bad_token");
  // The public key as the secret of a MAC (RFC 8725 §2.1).
  const body = token(first, {}, { alg: "HS256" }).split(".").slice(0, 2).join(".");
  assert.equal(await refusal(`${body}.${createHmac("sha256", first.jwk.x).update(body).digest("base64url")}`), "bad_token");
});
