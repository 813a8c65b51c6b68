import { describe, expect, test } from "vitest";
import { RoomError } from "@rotunda/client";
import { LANGUAGES, deviceErrorTexts, errorText, languageFor, localeFor } from "./texts";

/** Every path of a dictionary, with its text. */
function entries(value: unknown, path = ""): [string, string][] {
  if (typeof value === "function") {
    return [[path, String((value as (...all: string[]) => string)("<1>", "<2>"))]];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => entries(inner, `${path}.${key}`));
  }
  return [[path, String(value)]];
}

describe("the dictionary", () => {
  const english = new Map(entries(LANGUAGES.en));

  test.each(Object.keys(LANGUAGES))("%s says everything, and names what it is told", (language) => {
    const all = new Map(entries(LANGUAGES[language as keyof typeof LANGUAGES]));
    expect([...all.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [path, text] of all) {
      expect(text.trim(), path).not.toBe("");
      expect(text.includes("<1>"), path).toBe(english.get(path)?.includes("<1>"));
    }
  });

  test("German is another language", () => {
    const same = entries(LANGUAGES.de).filter(([path, text]) => english.get(path) === text).map(([path]) => path);
    // Names, and words that both languages share.
    expect(same.sort()).toEqual([".chat", ".keys.c", ".measured.jitter", ".measured.video", ".namePlaceholder", ".reacted", ".roles.host", ".wrote"]);
  });
});

describe("the language", () => {
  test.each([
    [["de-AT", "en"], "de"],
    [["fr", "de"], "de"],
    [["fr"], "en"],
    [[], "en"],
    [["toString"], "en"],
  ])("for %j is %s", (wanted, expected) => {
    expect(languageFor(wanted)).toBe(expected);
  });
});

test("an error of a newer server has words too", () => {
  expect(errorText(LANGUAGES.de, { code: "room_full" })).toBe("Der Raum ist voll.");
  expect(errorText(LANGUAGES.de, { code: "toString" })).toBe(LANGUAGES.de.failed);
  expect(errorText(LANGUAGES.de, new Error("x"))).toBe(LANGUAGES.de.failed);
});

test("times are written as the browser's region has them, in the language that was chosen", () => {
  expect(localeFor("en", ["de-AT", "en-GB"])).toBe("en-GB");
  expect(localeFor("de", ["en-US"])).toBe("de");
  expect(localeFor("en", ["en-US@posix", "en_GB"])).toBe("en");
  const evening = new Date(2026, 0, 1, 18, 12);
  expect(evening.toLocaleTimeString(localeFor("de", ["en-US"]), { timeStyle: "short" })).toBe("18:12");
});

describe("an error of a device", () => {
  test("names the device", () => {
    const error = new RoomError("device_missing", "", { device: "camera" });
    expect(errorText(LANGUAGES.en, error)).toBe("No camera found.");
    expect(errorText(LANGUAGES.de, error)).toBe("Keine Kamera gefunden.");
  });

  test.each(["device_denied", "device_denied_by_system", "device_denied_by_page", "device_dismissed", "device_missing", "device_busy", "device_unsuitable"] as const)(
    "names the device for %s in every language, and says something of its own",
    (code) => {
      for (const { deviceErrors, errors } of Object.values(LANGUAGES)) {
        expect(deviceErrors.microphone[code]).toMatch(/mi[ck]ro/i);
        expect(deviceErrors.camera[code]).toMatch(/[ck]amera/i);
        expect(Object.values(deviceErrors.camera).filter((text) => text === deviceErrors.camera[code])).toHaveLength(1);
        expect(deviceErrors.camera[code]).not.toBe(errors[code]);
      }
    },
  );

  test("that both have is told once where it is the same", () => {
    const both = (code: "device_insecure" | "device_denied"): string[] =>
      deviceErrorTexts(LANGUAGES.en, (["microphone", "camera"] as const).map((device) => new RoomError(code, "", { device })));
    expect(both("device_insecure")).toHaveLength(1);
    expect(both("device_denied")).toHaveLength(2);
    expect(deviceErrorTexts(LANGUAGES.en, [null, null])).toEqual([]);
  });
});
