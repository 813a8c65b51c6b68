// Tokens of other issuers, such as an identity provider, with keys that the Worker reads from them.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign as signature } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Client } from "../support/client.mjs";
import { startEdge } from "../support/edge.mjs";
import { MediaNode } from "../support/node.mjs";
import { joinToken, sign } from "../support/token.mjs";

const ALGORITHMS = {
  RS256: { type: "rsa", options: { modulusLength: 2048 }, digest: "sha256" },
  ES256: { type: "ec", options: { namedCurve: "P-256" }, digest: "sha256", dsaEncoding: "ieee-p1363" },
  EdDSA: { type: "ed25519", options: {}, digest: null },
};

/** An identity provider with an address for its keys. */
class Issuer {
  keys = [];
  reads = 0;
  status = 200;

  async start() {
    this.server = createServer((_, response) => {
      this.reads += 1;
      response.writeHead(this.status, { "Content-Type": "application/json" }).end(JSON.stringify({ keys: this.keys }));
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.name = `http://127.0.0.1:${this.server.address().port}/auth/v1`;
    return this;
  }

  /** A new key pair; the public key is published unless a stranger has the pair. */
  key(alg, kid, published = true) {
    const { type, options } = ALGORITHMS[alg];
    const pair = generateKeyPairSync(type, options);
    const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
    if (published) this.keys.push(jwk);
    return { alg, kid, jwk, privateKey: pair.privateKey };
  }

  /** A token as Supabase issues it; `claims` replace parts of it. */
  token(key, claims = {}, header = {}) {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: this.name,
      aud: "authenticated",
      role: "authenticated",
      sub: "3f0c9d2e-7a41-4a0e-9b1c-2d7f6a5b8c90",
      iat: now,
      exp: now + 3600,
      user_metadata: { full_name: "Ada Lovelace" },
      app_metadata: { provider: "email", rooms: ["daily", "weekly"], role: "patient" },
      ...claims,
    };
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${encode({ alg: key.alg, typ: "JWT", kid: key.kid, ...header })}.${encode(payload)}`;
    const { digest, dsaEncoding } = ALGORITHMS[key.alg];
    return `${body}.${signature(digest, Buffer.from(body), { key: key.privateKey, dsaEncoding }).toString("base64url")}`;
  }

  /** The value of `TOKEN_ISSUERS`. */
  get settings() {
    return JSON.stringify([
      {
        issuer: this.name,
        audience: "authenticated",
        id_prefix: "sb:",
        claims: { name: "user_metadata.full_name", room: "app_metadata.rooms", role: "app_metadata.role" },
        roles: { patient: {}, therapist: { moderate: true, record: true } },
      },
    ]);
  }
}

let issuer;
let edge;
const keys = {};
before(async () => {
  issuer = await new Issuer().start();
  for (const alg of Object.keys(ALGORITHMS)) keys[alg] = issuer.key(alg, `first-${alg}`);
  edge = await startEdge({ vars: { TOKEN_ISSUERS: issuer.settings } });
  await MediaNode.start(edge);
});
after(async () => {
  await edge.stop();
  issuer.server.close();
});

async function refusal(token, { room = "daily", at = edge } = {}) {
  const client = await Client.connect(at, room, "ada", { token });
  await client.ended();
  return client.frames.at(-1)?.code;
}

// Holds S1-SIG-03.
test("a token of the identity provider lets its user in, with the id, name and role that it says", async () => {
  for (const alg of Object.keys(ALGORITHMS)) {
    const client = await Client.connect(edge, "daily", "ada", { token: issuer.token(keys[alg]) });
    const joined = await client.join();
    assert.equal(joined.type, "joined", `${alg}: ${joined.code}`);
    const bob = await Client.join(edge, "daily", "bob");
    const names = Object.fromEntries(bob.joined.roster.map(({ id, name }) => [id, name]));
    assert.equal(names[joined.participant], "Ada Lovelace");
    assert.equal(joined.participant, "sb:3f0c9d2e-7a41-4a0e-9b1c-2d7f6a5b8c90");
    await bob.close();
    assert.equal(await client.refusal({ type: "update_room", locked: true }), "forbidden", "a patient moderates nothing");
    await client.close();
  }
  const role = { app_metadata: { rooms: "daily", role: "therapist" } };
  const host = await Client.connect(edge, "daily", "host", { token: issuer.token(keys.ES256, { ...role, sub: "host" }) });
  assert.equal((await host.join()).type, "joined");
  assert.equal((await host.request({ type: "update_room", locked: true })).type, "done");
  assert.equal((await host.request({ type: "update_room", locked: false })).type, "done");
  await host.close();
  assert.equal(issuer.reads, 1, "the keys are read once");
});

test("the same token opens the API as far as its role allows", async () => {
  const ask = (token) => edge.api("GET", "/v1/rooms/daily/recordings", { key: null, headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await ask(issuer.token(keys.RS256))).body.code, "forbidden");
  const therapist = issuer.token(keys.RS256, { app_metadata: { rooms: ["daily"], role: "therapist" } });
  assert.notEqual((await ask(therapist)).body.code, "forbidden");
  assert.notEqual((await ask(therapist)).status, 401);
});

test("tokens of our own are accepted as before", async () => {
  const client = await Client.join(edge, "daily", "bob");
  assert.equal(client.joined.type, "joined");
  await client.close();
});

test("a token for others, forged or changed, lets nobody in", async () => {
  const stranger = issuer.key("RS256", "first-RS256", false);
  const good = issuer.token(keys.RS256);
  const [header, , tail] = good.split(".");
  const other = issuer.token(keys.RS256, { sub: "mallory" }).split(".")[1];
  const publicKey = keys.RS256.jwk.n;
  const cases = {
    "a stranger's key": [issuer.token(stranger), "bad_token"],
    "another text under the signature": [`${header}.${other}.${tail}`, "bad_token"],
    "no signature": [`${header}.${good.split(".")[1]}.`, "bad_token"],
    "another kind of key": [issuer.token(keys.ES256, {}, { kid: "first-RS256" }), "bad_token"],
    "no algorithm": [issuer.token(keys.RS256, {}, { alg: "none" }), "bad_token"],
    "the public key as a secret (RFC 8725 §2.1)": [
      sign({ iss: issuer.name, aud: "authenticated", sub: "ada" }, { id: "first-RS256", secret: publicKey }, { alg: "HS256", kid: "first-RS256" }),
      "bad_token",
    ],
    "another issuer": [issuer.token(keys.RS256, { iss: "https://elsewhere.example" }), "bad_token"],
    "another audience": [issuer.token(keys.RS256, { aud: "anon" }), "bad_token"],
    "another room": [issuer.token(keys.RS256, { app_metadata: { rooms: ["weekly"] } }), "wrong_room"],
    "no room": [issuer.token(keys.RS256, { app_metadata: {} }), "wrong_room"],
    "the past": [issuer.token(keys.RS256, { exp: Math.floor(Date.now() / 1000) - 60 }), "token_expired"],
    "no end": [issuer.token(keys.RS256, { exp: undefined }), "bad_token"],
  };
  for (const [what, [token, code]] of Object.entries(cases)) assert.equal(await refusal(token), code, what);
});

test("a new key is found at once, and made-up ones make the Worker ask a few times only", async () => {
  const second = issuer.key("ES256", "second");
  const client = await Client.connect(edge, "daily", "eve", { token: issuer.token(second, { sub: "eve" }) });
  assert.equal((await client.join()).type, "joined");
  await client.close();
  const before = issuer.reads;
  for (let number = 0; number < 20; number++) {
    assert.equal(await refusal(issuer.token(issuer.key("EdDSA", `made-up-${number}`, false))), "bad_token");
  }
  assert.ok(issuer.reads - before < 8, `${issuer.reads - before} reads`);
});

test("while the keys cannot be read, tokens are refused with a code that says so, until they can", async () => {
  const away = await new Issuer().start();
  const key = away.key("ES256", "only");
  away.status = 503;
  const edge = await startEdge({ vars: { TOKEN_ISSUERS: away.settings } });
  try {
    await MediaNode.start(edge);
    assert.equal(await refusal(away.token(key), { at: edge }), "issuer_unavailable");
    assert.ok(edge.records().some(({ event, issuer }) => event === "issuer_unavailable" && issuer === away.name));
    const own = await Client.connect(edge, "daily", "bob", { token: joinToken("daily", "bob") });
    assert.equal((await own.join()).type, "joined", "tokens of our own need no issuer");
    away.status = 200;
    const client = await Client.connect(edge, "daily", "ada", { token: away.token(key) });
    assert.equal((await client.join()).type, "joined");
  } finally {
    await edge.stop();
    away.server.close();
  }
});
