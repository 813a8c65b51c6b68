/** The title of the browser's tab. */
import { useEffect } from "react";

/** The room's name, or nothing on other pages, and how many messages are unread. `undefined` leaves the title alone. */
export function useTitle(room: string | null | undefined, unread = 0): void {
  useEffect(() => {
    if (room !== undefined) {
      const name = room === null ? "Rotunda" : `${room} · Rotunda`;
      document.title = unread === 0 ? name : `(${unread}) ${name}`;
    }
  }, [room, unread]);
}
