// `node xtask/compose.mjs ADDRESS > docs/containers/.env` writes new keys and tokens for docs/containers/compose.yaml.
// ADDRESS is the host's address for clients.
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { readConfig } from "./worker.mjs";
import { nodeToken } from "./token.mjs";

const [address = ""] = process.argv.slice(2);
if (isIP(address) !== 4) throw new Error("usage: node xtask/compose.mjs IPV4-ADDRESS > docs/containers/.env");

const key = (id) => `${id}:${randomBytes(32).toString("hex")}`;
const keys = { TOKEN_KEYS: key("k1"), NODE_KEYS: key("k1"), TURN_KEYS: key("k1"), API_KEYS: key("trial") };
const region = readConfig("development").vars.DEFAULT_REGION;
const variables = {
  ADDRESS: address,
  ...keys,
  MEDIA_NODE_TOKEN: nodeToken(keys.NODE_KEYS, "media-1", region),
  TURN_NODE_TOKEN: nodeToken(keys.NODE_KEYS, "turn-1", region),
};
for (const [name, value] of Object.entries(variables)) console.log(`${name}=${value}`);
