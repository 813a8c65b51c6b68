/** Persistent storage. If the browser blocks site data, values last as long as the page. */

export type Store = "local" | "session";

const fallback: Readonly<Record<Store, Map<string, string>>> = { local: new Map(), session: new Map() };

export function recall(store: Store, key: string): string | null {
  return attempt(() => storage(store).getItem(key)) ?? fallback[store].get(key) ?? null;
}

/** `null` deletes the value. */
export function remember(store: Store, key: string, value: string | null): void {
  if (value === null) {
    fallback[store].delete(key);
    attempt(() => storage(store).removeItem(key));
  } else {
    fallback[store].set(key, value);
    attempt(() => storage(store).setItem(key, value));
  }
}

// With site data blocked, even reading `window.localStorage` throws; with a full disk, `setItem` does.
function storage(store: Store): Storage {
  return store === "local" ? localStorage : sessionStorage;
}

function attempt<Value>(action: () => Value): Value | null {
  try {
    return action();
  } catch {
    return null;
  }
}
