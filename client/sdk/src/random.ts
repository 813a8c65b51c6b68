/** Random ids. `crypto.randomUUID` exists only on secure pages, `getRandomValues` on all. */

/** 128 random bits in hexadecimal. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
