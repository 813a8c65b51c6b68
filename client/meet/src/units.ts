/** Measurements in the user's language. */

export function bitrate(bps: number, locale: string): string {
  const [value, unit] = bps < 1_000_000 ? [bps / 1_000, "kilobit-per-second"] : [bps / 1_000_000, "megabit-per-second"];
  return value.toLocaleString(locale, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function milliseconds(ms: number, locale: string): string {
  return ms.toLocaleString(locale, { style: "unit", unit: "millisecond", maximumFractionDigits: 0 });
}

export function percent(share: number, locale: string): string {
  return share.toLocaleString(locale, { style: "percent", maximumFractionDigits: 1 });
}
