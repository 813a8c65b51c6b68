import { useEffect } from "react";

/** Keeps the screen of a phone on while the component is mounted. The system takes the lock from hidden pages. */
export function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    let isOver = false;
    const acquire = async (): Promise<void> => {
      if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) {
        return;
      }
      // Refused on a low battery: the screen then turns off as usual.
      const acquired = await navigator.wakeLock.request("screen").catch(() => null);
      if (isOver) {
        void acquired?.release();
      } else {
        lock = acquired;
      }
    };
    const shown = (): void => void acquire();
    shown();
    document.addEventListener("visibilitychange", shown);
    return () => {
      isOver = true;
      document.removeEventListener("visibilitychange", shown);
      void lock?.release();
    };
  }, []);
}
