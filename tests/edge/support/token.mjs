// Signs tokens as an application's server does: JWTs with HS256 (RFC 7515, RFC 7519).
import { createHmac } from "node:crypto";
import { KEYS } from "./edge.mjs";

const HOUR_SECS = 3600;

/** A join token; `claims` replace or add to what it says, `key` is who signs. */
export function joinToken(room, participant, claims = {}, key = KEYS.token) {
  return sign({ aud: "rotunda-join", sub: participant, room, name: participant, ...claims }, key);
}

/** The token with which a node registers. */
export function nodeToken(node, region, claims = {}, key = KEYS.node) {
  return sign({ aud: "rotunda-node", sub: node, region, ...claims }, key);
}

export function sign(claims, key, header = { alg: "HS256", typ: "JWT", kid: key.id }) {
  const now = Math.floor(Date.now() / 1000);
  const body = `${encode(header)}.${encode({ iat: now, exp: now + HOUR_SECS, ...claims })}`;
  return `${body}.${createHmac("sha256", key.secret).update(body).digest("base64url")}`;
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
