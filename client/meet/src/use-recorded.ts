/** Asks whether the call is being recorded, because people must know it before they join. */
import { useEffect, useState } from "react";
import { isRecorded } from "./identity";

/** A recording that begins later is shown in the call. */
const ASK_AGAIN_MS = 15_000;

/** While `isWanted`; a participant who joins at once is told in the call. */
export function useRecorded(room: string, isWanted: boolean): boolean {
  const [recorded, setRecorded] = useState(false);
  useEffect(() => {
    if (!isWanted) {
      return undefined;
    }
    let isOver = false;
    const ask = (): void => {
      // Without an answer, the last one stands.
      isRecorded(room).then((now) => (isOver || now === null ? undefined : setRecorded(now)), () => undefined);
    };
    ask();
    const timer = setInterval(() => (document.visibilityState === "visible" ? ask() : undefined), ASK_AGAIN_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [room, isWanted]);
  return recorded;
}
