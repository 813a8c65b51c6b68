/** What the page says that a call runs in. */
import { onDevicesChanged } from "./devices";

/** What happens to a page. */
export interface PageListener {
  /** The browser is online again. */
  networkChanged(): void;
  /** A device was plugged in or out. */
  devicesChanged(): void;
}

/** Listens until the result is called. */
export function listenToPage({ networkChanged, devicesChanged }: PageListener): () => void {
  const stopWatching = onDevicesChanged(devicesChanged);
  window.addEventListener("online", networkChanged);
  return () => {
    stopWatching();
    window.removeEventListener("online", networkChanged);
  };
}
