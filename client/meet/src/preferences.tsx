/** The user's language and appearance: as in the browser, until the user chooses. */
import type { ReactNode } from "react";
import { createContext, useContext, useEffect, useMemo } from "react";
import type { Language, Texts } from "./texts";
import { LANGUAGES, languageFor, localeFor } from "./texts";
import { useStored } from "./use-stored";

const LANGUAGE_KEY = "rotunda.language";
const THEME_KEY = "rotunda.theme";

export type Theme = "auto" | "light" | "dark";

export interface Preferences {
  readonly texts: Texts;
  /** For times, dates and capital letters: the chosen language in the browser's regional form. */
  readonly locale: string;
  /** `null` if the browser decides. */
  readonly language: Language | null;
  readonly theme: Theme;
  readonly setLanguage: (language: Language | null) => void;
  readonly setTheme: (theme: Theme) => void;
}

const Context = createContext<Preferences | null>(null);

/** Provides the preferences, and applies them to the document. */
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
    throw new Error("used outside of a PreferencesProvider");
  }
  return preferences;
}

export function useTexts(): Texts {
  return usePreferences().texts;
}
