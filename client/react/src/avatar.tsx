/** Stands in for a participant without video. */

interface Props {
  readonly id: string;
  readonly name: string;
  /** The page's language, which determines capital letters. */
  readonly locale?: string;
}

/** Initials on a colour that is always the same for the same person. */
export function Avatar({ id, name, locale }: Props) {
  // The golden angle separates the colours of similar names.
  const hue = ([...id].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1021, 7) * 137.5) % 360;
  return (
    <span className="avatar" style={{ backgroundColor: `hsl(${hue} 38% 36%)` }} aria-hidden="true">
      {initials(name, locale)}
    </span>
  );
}

/** The first letters of the first and the last word; brackets, quotes and dashes do not count. */
export function initials(name: string, locale?: string): string {
  const firsts = name.split(/\s+/u).flatMap((word) => {
    const first = graphemes(word).find((letter) => /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u.test(letter));
    return first === undefined ? [] : [first];
  });
  const ends = firsts.length > 1 ? [firsts[0], firsts.at(-1)] : firsts;
  return ends.map((letter) => capital(letter ?? "", locale)).join("");
}

/** Characters as people count them: with their accents, and an emoji of several parts as one. */
function graphemes(word: string): string[] {
  if (!("Segmenter" in Intl)) {
    return [...word];
  }
  return [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(word)].map(({ segment }) => segment);
}

function capital(letter: string, locale: string | undefined): string {
  const upper = letter.toLocaleUpperCase(locale);
  // The capital of "ß" would be two letters.
  return graphemes(upper).length > 1 ? letter : upper;
}
