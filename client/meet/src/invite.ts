/** The invitation. */
import { roomPath } from "./route";

/** The link that brings others here. */
export function inviteLink(room: string): string {
  return new URL(roomPath(room), location.origin).href;
}
