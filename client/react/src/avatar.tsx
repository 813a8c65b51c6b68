/** Somebody whose picture is not there. */

/** Initials on a colour that is always the same for the same person. */
export function Avatar({ id, name }: { id: string; name: string }) {
  // The golden angle keeps the colours of similar names apart.
  const hue = ([...id].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1021, 7) * 137.5) % 360;
  return (
    <span className="avatar" style={{ backgroundColor: `hsl(${hue} 38% 36%)` }} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase();
}
