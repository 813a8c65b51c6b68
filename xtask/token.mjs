// Signs the tokens that the edge accepts (RFC 7519, HS256), as an application's server or an operator would.
// `NODE_KEYS=… REGION=eu-central node xtask/token.mjs media-1 media-2` prints the region, by default that of development, and a
// token for each node.
import { createHmac } from "node:crypto";
import { pathToFileURL } from "node:url";
import { readConfig } from "./worker.mjs";

/**
 * @param {string} keys as in the secrets TOKEN_KEYS and NODE_KEYS: `kid:secret,kid:secret`; the first one signs
 * @param {object} claims with `aud`
 * @param {number} lifetimeS
 * @param {number} [nowS]
 */
export function signToken(keys, claims, lifetimeS, nowS = Math.floor(Date.now() / 1000)) {
  const [kid, ...secret] = keys.split(",")[0].trim().split(":");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ typ: "JWT", alg: "HS256", kid })}.${part({ iat: nowS, exp: nowS + lifetimeS, ...claims })}`;
  return `${body}.${createHmac("sha256", secret.join(":")).update(body).digest("base64url")}`;
}

export function joinToken(keys, room, participant, claims = {}) {
  return signToken(keys, { aud: "rotunda-join", sub: participant, room, ...claims }, 3600);
}

/** A token with which `node` registers in `region`. */
export function nodeToken(keys, node, region) {
  return signToken(keys, { aud: "rotunda-node", sub: node, region }, 365 * 24 * 3600);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const region = process.env.REGION ?? readConfig("development").vars.DEFAULT_REGION;
  const tokens = process.argv.slice(2).map((node) => nodeToken(process.env.NODE_KEYS, node, region));
  console.log(JSON.stringify({ region, tokens }));
}
