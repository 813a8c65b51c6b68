/** Keyboard shortcuts: one letter for each common action. */
import { useEffect, useRef } from "react";
import { isComposing } from "./writing";

/** The action of each key; letters in lower case, other keys by their names. */
export type Shortcuts = Readonly<Record<string, () => void>>;

/** Listens while the component is mounted, except while the user is typing. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const newest = useRef(shortcuts);
  useEffect(() => {
    newest.current = shortcuts;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest("input, select, textarea") !== null;
      const isHeld = event.repeat || event.ctrlKey || event.metaKey || event.altKey;
      const key = shortcutOf(event);
      if (!isHeld && (!isTyping || (key === "Escape" && !isComposing(event))) && Object.hasOwn(newest.current, key)) {
        event.preventDefault();
        newest.current[key]?.();
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

/** The letter on the key; for non-Latin keyboards, the Latin letter in the same position. */
export function shortcutOf({ key, code }: Pick<KeyboardEvent, "key" | "code">): string {
  if (key.length > 1 && key !== "Dead" && key !== "Process" && key !== "Unidentified") {
    return key;
  }
  const letter = key.normalize("NFD").charAt(0).toLowerCase();
  const place = /^Key([A-Z])$/.exec(code)?.[1]?.toLowerCase();
  return /[a-z]/.test(letter) && key.length === 1 ? letter : (place ?? key);
}
