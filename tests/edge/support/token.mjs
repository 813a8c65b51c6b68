// Signs tokens as an application's server does: JWTs with HS256 (RFC 7515, RFC 7519).
import { createHmac } from "node:crypto";
import { KEYS } from "./edge.mjs";

const HOUR_SECS = 3600;
/** Crockford's base32. */
const LETTERS = "0123456789abcdefghjkmnpqrstvwxyz";

/** A join token; `claims` replace or extend its content, `key` signs it. */
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

/**
 * A resume secret that the room could have issued to the holder of `secret`: it is void, but the Worker cannot know
 * that.
 */
export function voidSecret(room, secret, number, key = KEYS.token) {
  const [, holder] = secret.split(".");
  const body = `${String(number).padStart(26, "0")}.${holder}`;
  const derived = createHmac("sha256", key.secret).update("rotunda resume key v1").digest();
  const code = createHmac("sha256", derived).update(`${room}/${body}`).digest();
  return `${body}.${[...code.subarray(0, 26)].map((byte) => LETTERS[byte & 31]).join("")}`;
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
