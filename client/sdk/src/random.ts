/** Random ids. `crypto.randomUUID` exists only on secure pages, `getRandomValues` on all. */

/** 128 random bits in hexadecimal. */
export function randomId(): string {
  return randomHex(16);
}

export function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
