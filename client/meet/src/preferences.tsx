/** The user's language and appearance: as the browser says, until they choose otherwise. */
import type { ReactNode } from "react";
import { createContext, useContext, useEffect, useMemo, useState } from "react";
import type { Language, Texts } from "./texts";
import { LANGUAGES, languageFor, localeFor } from "./texts";
import { recall, remember } from "./storage";

const LANGUAGE_KEY = "rotunda.language";
const THEME_KEY = "rotunda.theme";

export type Theme = "auto" | "light" | "dark";

export interface Preferences {
  readonly texts: Texts;
  /** How times, dates and capital letters are written: the chosen language, as the browser's region has it. */
  readonly locale: string;
  /** Nothing where the browser decides. */
  readonly language: Language | null;
  readonly theme: Theme;
  readonly setLanguage: (language: Language | null) => void;
  readonly setTheme: (theme: Theme) => void;
}

const Context = createContext<Preferences | null>(null);

/** Holds the preferences, and keeps the document in line with them. */
export function PreferencesProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useStored<Language>(LANGUAGE_KEY, Object.keys(LANGUAGES) as Language[]);
  const [theme, setTheme] = useStored<Theme>(THEME_KEY, ["light", "dark"]);
  const spoken = language ?? languageFor(navigator.languages);
  useEffect(() => {
    document.documentElement.lang = spoken;
  }, [spoken]);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme ?? "auto";
  }, [theme]);
  const value = useMemo<Preferences>(
    () => ({
      texts: LANGUAGES[spoken],
      locale: localeFor(spoken, navigator.languages),
      language,
      theme: theme ?? "auto",
      setLanguage,
      setTheme: (chosen) => setTheme(chosen === "auto" ? null : chosen),
    }),
    [spoken, language, theme, setLanguage, setTheme],
  );
  return <Context value={value}>{children}</Context>;
}

export function usePreferences(): Preferences {
  const preferences = useContext(Context);
  if (preferences === null) {
    throw new Error("outside of PreferencesProvider");
  }
  return preferences;
}

export function useTexts(): Texts {
  return usePreferences().texts;
}

function useStored<Value extends string>(
  key: string,
  known: readonly Value[],
): [Value | null, (value: Value | null) => void] {
  const [value, setValue] = useState(() => known.find((one) => one === recall("local", key)) ?? null);
  const store = useMemo(
    () => (chosen: Value | null) => {
      setValue(chosen);
      remember("local", key, chosen);
    },
    [key],
  );
  return [value, store];
}
