/** Promises that the core settles by number. */
import type { RoomError } from "./errors";

/** Numbers promises, so that the core can refer to them as plain data. */
export class Tickets {
  readonly #open = new Map<number, PromiseWithResolvers<void>>();
  #issued = 0;

  /** Passes a new number to `begin`, and returns the promise for it. */
  issue(begin: (ticket: number) => void): Promise<void> {
    const ticket = ++this.#issued;
    const promise = Promise.withResolvers<void>();
    this.#open.set(ticket, promise);
    begin(ticket);
    return promise.promise;
  }

  settle(ticket: number, failure: RoomError | null): void {
    const promise = this.#open.get(ticket);
    this.#open.delete(ticket);
    if (failure === null) {
      promise?.resolve();
    } else {
      promise?.reject(failure);
    }
  }
}
