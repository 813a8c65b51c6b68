// How much chance there is in made-up names.

/** Enough that every bit has been 0 and 1 and no two bits were always alike, but for one run in 10⁷. */
export const NAMES = 40;

/** How many bits of hexadecimal names change from one name to another, each in a way of its own. */
export function randomBits(names) {
  const rows = names.map((name) => BigInt(`0x${name}`).toString(2).padStart(4 * name.length, "0"));
  const columns = [...rows[0]].map((_, place) => rows.map((row) => row[place]).join(""));
  return new Set(columns.filter((column) => column.includes("0") && column.includes("1"))).size;
}
