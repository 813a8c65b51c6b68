// A certificate for a test's host name, signed by a test's authority.
import { execFileSync } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./temporary.mjs";

/**
 * @typedef {{ name: string, address: string, chain: string, key: string, authority: string, keyDigest: string }} Certificate `name` is at
 *   `address`; `chain`, `key` and `authority` are PEM files, the last for Firefox; `keyDigest` is the SHA-256 of the public key, by which
 *   Chromium can be told to trust it
 */

export function makeCertificate(name, address) {
  const folder = temporaryFolder("certificate");
  const [authority, authorityKey, chain, key] = ["authority.pem", "authority-key.pem", "chain.pem", "key.pem"].map((file) => join(folder, file));
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
  const run = (...args) => execFileSync("openssl", [...request, ...args], { stdio: "pipe" });
  run("-subj", "/CN=Test authority", "-keyout", authorityKey, "-out", authority);
  const extensions = [`subjectAltName=DNS:${name}`, "basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth"];
  const signed = ["-CA", authority, "-CAkey", authorityKey, ...extensions.flatMap((extension) => ["-addext", extension])];
  run("-subj", `/CN=${name}`, ...signed, "-keyout", key, "-out", chain);
  const { publicKey } = new X509Certificate(readFileSync(chain));
  const keyDigest = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return { name, address, chain, key, authority, keyDigest };
}
