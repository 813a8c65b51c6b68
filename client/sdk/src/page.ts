/** Browser events that concern a call. */
import { onDevicesChanged } from "./devices";

export interface PageListener {
  networkChanged(): void;
  devicesChanged(): void;
  /** The page enters the back/forward cache. If the browser discards it there, the browser turns the devices off. */
  hidden(): void;
  /** The page has left the back/forward cache. */
  shown(): void;
}

/** Listens until the result is called. */
export function listenToPage({ networkChanged, devicesChanged, hidden, shown }: PageListener): () => void {
  const hide = ({ persisted }: PageTransitionEvent): void => (persisted ? hidden() : undefined);
  const show = ({ persisted }: PageTransitionEvent): void => (persisted ? shown() : undefined);
  const stopWatching = onDevicesChanged(devicesChanged);
  window.addEventListener("online", networkChanged);
  window.addEventListener("pagehide", hide);
  window.addEventListener("pageshow", show);
  return () => {
    stopWatching();
    window.removeEventListener("online", networkChanged);
    window.removeEventListener("pagehide", hide);
    window.removeEventListener("pageshow", show);
  };
}
