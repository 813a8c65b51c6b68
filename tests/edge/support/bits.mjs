// How much chance there is in made-up names.

/** Enough that every bit has been 0 and 1, but for one run in 10⁹. */
export const NAMES = 40;

/** How many bits of hexadecimal names differ from one name to another. */
export function randomBits(names) {
  const numbers = names.map((name) => BigInt(`0x${name}`));
  const [ones, zeros] = [numbers.reduce((a, b) => a | b), numbers.reduce((a, b) => a & b)];
  return [...(ones & ~zeros).toString(2)].filter((bit) => bit === "1").length;
}
