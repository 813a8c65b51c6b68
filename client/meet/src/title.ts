import { useEffect } from "react";

/**
 * Shows the room's name, `null` on other pages, and the number of unread messages. `undefined` leaves the title alone.
 */
export function useTitle(room: string | null | undefined, unread = 0): void {
  useEffect(() => {
    if (room !== undefined) {
      const name = room === null ? "Rotunda" : `${room} · Rotunda`;
      document.title = unread === 0 ? name : `(${unread}) ${name}`;
    }
  }, [room, unread]);
}
