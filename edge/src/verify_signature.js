// Checks a signature with a public key (RFC 7515 §5.2): WebCrypto has the algorithms already.
const PARAMETERS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
};

/** Rejects if the key is none. */
export async function verifySignature(algorithm, jwk, signed, signature) {
  const parameters = PARAMETERS[algorithm];
  const key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), parameters, false, ["verify"]);
  return crypto.subtle.verify(parameters, key, signature, new TextEncoder().encode(signed));
}
