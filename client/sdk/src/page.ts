/** Browser events that concern a call. */
import { onDevicesChanged } from "./devices";

export interface PageListener {
  networkChanged(): void;
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
