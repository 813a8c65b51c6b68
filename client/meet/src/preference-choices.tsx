/** The choice of language and appearance. */
import type { Theme } from "./preferences";
import { usePreferences } from "./preferences";
import type { Language } from "./texts";
import { LANGUAGES } from "./texts";

export function PreferenceChoices() {
  const { texts, language, theme, setLanguage, setTheme } = usePreferences();
  return (
    <div className="choices">
      <label className="choice">
        <span>{texts.languageLabel}</span>
        <select
          id="language"
          value={language ?? ""}
          onChange={(event) => setLanguage(event.target.value === "" ? null : (event.target.value as Language))}
        >
          <option value="">{texts.automatic}</option>
          {Object.entries(LANGUAGES).map(([code, words]) => (
            <option key={code} value={code} lang={code}>
              {words.language}
            </option>
          ))}
        </select>
      </label>
      <label className="choice">
        <span>{texts.appearance}</span>
        <select id="theme" value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
          {Object.entries(texts.themes).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
