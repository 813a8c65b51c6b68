// The amount of randomness in generated names.

/** Enough names for every bit to be 0 and 1 and for no two bits to be always alike, except in one run out of 10⁷. */
export const NAMES = 40;

/** The number of independently changing bits in hexadecimal names. */
export function randomBits(names) {
  const rows = names.map((name) => BigInt(`0x${name}`).toString(2).padStart(4 * name.length, "0"));
  const columns = [...rows[0]].map((_, place) => rows.map((row) => row[place]).join(""));
  return new Set(columns.filter((column) => column.includes("0") && column.includes("1"))).size;
}
