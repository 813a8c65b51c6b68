/** The identity of the user in this tab, and the token that lets them in. */
import { RoomError } from "@rotunda/client";
import { recall, remember } from "./storage";

const NAME_KEY = "rotunda.name";
const TOKEN_KEY = "rotunda.token";
const PASS_KEY = "rotunda.pass";
/** As often as the edge asks for (`Retry-After`). */
const ASK_AGAIN_MS = 3_000;
const WAIT_MS = 600_000;
/** Longest wait between two tries while the lobby is full. */
const ASK_AGAIN_MAX_MS = 30_000;
/** What the edge answers while it cannot take one more. */
const LATER: readonly string[] = ["room_full", "rate_limited"];

/** What the user called themselves last time. */
export function rememberedName(): string {
  return recall("local", NAME_KEY) ?? "";
}

export function rememberName(name: string): void {
  remember("local", NAME_KEY, name);
}

/**
 * The token that an application or a login page gave to this tab. It arrives in the fragment (`#token=…`), which browsers send to no server,
 * leaves the address bar at once, and is kept for reloads.
 */
export function givenToken(room: string): string | null {
  const arrived = new URLSearchParams(location.hash.slice(1)).get("token");
  const key = `${TOKEN_KEY}.${room}`;
  if (arrived !== null) {
    remember("session", key, arrived);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  return recall("session", key);
}

/** The login page for people without a valid token; `undefined` where guests may join. */
export async function loginPage(room: string): Promise<string | null> {
  const token = givenToken(room);
  if (token !== null && Date.now() < runsOutAt(token)) {
    return null;
  }
  const { guests, login_url: login } = await policy();
  if (guests !== "off" || login === null) {
    return null;
  }
  const query = new URLSearchParams({ room, return: location.origin + location.pathname + location.search });
  return `${login}?${query}`;
}

interface Policy {
  readonly guests: "open" | "lobby" | "off";
  readonly login_url: string | null;
}

let asked: Promise<Policy> | null = null;

/** What the deployment does about people without a token; asked for once, unless it could not be reached. */
function policy(): Promise<Policy> {
  asked ??= fetch("/v1/guests").then((response) => response.json() as Promise<Policy>);
  asked.catch(() => (asked = null));
  return asked;
}

/** What a guest waits for: a moderator's answer, or first of all a place in a lobby that is full. */
export type WaitingFor = "moderator" | "place";

/**
 * Where guests wait for a moderator: resolves when one lets the guest in, and rejects when one does not, nobody answers within ten minutes,
 * or `signal` aborts. Where the lobby is full, the guest asks ever less often until there is a place.
 */
export async function waitInLobby(
  room: string,
  name: string,
  signal: AbortSignal,
  onWaiting: (waitingFor: WaitingFor) => void,
): Promise<void> {
  if ((await policy()).guests !== "lobby") {
    return;
  }
  const until = Date.now() + WAIT_MS;
  let fullInARow = 0;
  for (;;) {
    const waitingFor = await knockInLobby(room, name);
    if (waitingFor === null) {
      return;
    }
    if (Date.now() >= until) {
      throw waitingFor === "place" ? new RoomError("room_full", "no place in the lobby") : new RoomError("not_admitted", "nobody answered");
    }
    onWaiting(waitingFor);
    fullInARow = waitingFor === "place" ? fullInARow + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, askAgainMs(fullInARow)));
    signal.throwIfAborted();
  }
}

/** What the guest has to wait for; nothing once they are let in. */
async function knockInLobby(room: string, name: string): Promise<WaitingFor | null> {
  try {
    return (await knock(room, name)) === null ? "moderator" : null;
  } catch (error) {
    if (error instanceof RoomError && LATER.includes(error.detail)) {
      return "place";
    }
    throw error;
  }
}

function askAgainMs(fullInARow: number): number {
  if (fullInARow === 0) {
    return ASK_AGAIN_MS;
  }
  const span = Math.min(ASK_AGAIN_MAX_MS, ASK_AGAIN_MS * 2 ** Math.min(fullInARow, 16));
  // Never sooner than those who have a place, and not all at once.
  return Math.floor(ASK_AGAIN_MS + (span - ASK_AGAIN_MS) * Math.random());
}

/** Asks the edge to let a guest in. The pass makes a reload the same guest, with what they may do. */
export async function guestToken(room: string, name: string): Promise<string> {
  const token = await knock(room, name);
  if (token === null) {
    throw new RoomError("token_unavailable", "a moderator has to let the guest in");
  }
  return token;
}

/** A token, or nothing for guests who have to wait. */
async function knock(room: string, name: string): Promise<string | null> {
  const key = `${PASS_KEY}.${room}`;
  const pass = recall("session", key);
  const response = await fetch("/v1/guests", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ room, name, ...(pass === null ? {} : { pass }) }),
  });
  const body = (await response.json()) as { token?: string; pass?: string; code?: string };
  if (!response.ok || body.pass === undefined) {
    const code = body.code === "not_admitted" ? body.code : "token_unavailable";
    throw new RoomError(code, body.code ?? `HTTP ${response.status}`);
  }
  remember("session", key, body.pass);
  return body.token ?? null;
}

/** The `exp` of a JWT (RFC 7519 §4.1.4); for ever where it has none that can be read, as the edge will tell. */
function runsOutAt(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
