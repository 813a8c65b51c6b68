/** Asks whether the call is being recorded, because people must know it before they join. */
import { useEffect, useState } from "react";
import { isRecorded } from "./identity";

/** A recording that begins later is shown in the call. */
const ASK_AGAIN_MS = 15_000;
/** Sooner at first if the edge does not answer: people would think that nothing is recorded. */
const RETRY_MS = 2_500;
const RETRIES_MAX = 4;

/** While `isWanted`; a participant who joins at once is told in the call. */
export function useRecorded(room: string, isWanted: boolean): boolean {
  const [recorded, setRecorded] = useState(false);
  useEffect(() => {
    if (!isWanted) {
      return undefined;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    let retries = 0;
    const ask = async (): Promise<void> => {
      // Without an answer, the last one stands.
      const now = document.visibilityState === "visible" ? await isRecorded(room).catch(() => null) : null;
      if (isOver) {
        return;
      }
      if (now !== null) {
        retries = RETRIES_MAX;
        setRecorded(now);
      }
      timer = setTimeout(() => void ask(), retries < RETRIES_MAX ? RETRY_MS : ASK_AGAIN_MS);
      retries += 1;
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [room, isWanted]);
  return recorded;
}
