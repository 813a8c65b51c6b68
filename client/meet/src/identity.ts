/** The identity of the user in this tab, and the token that lets them in. */
import { RoomError } from "@rotunda/client";
import { recall, remember } from "./storage";

const NAME_KEY = "rotunda.name";
const TOKEN_KEY = "rotunda.token";
const PASS_KEY = "rotunda.pass";
/** As often as the edge requests (`Retry-After`). */
const ASK_AGAIN_MS = 3_000;
const WAIT_MS = 600_000;
/** Longest pause between attempts while the lobby is full. */
const ASK_AGAIN_MAX_MS = 30_000;
/** Temporary refusals by the edge. */
const LATER: readonly string[] = ["room_full", "rate_limited"];

/** Refusals that a moderator decided. */
const FINAL = ["not_admitted", "banned"] as const;

/** The name that the user entered last time. */
export function rememberedName(): string {
  return recall("local", NAME_KEY) ?? "";
}

export function rememberName(name: string): void {
  remember("local", NAME_KEY, name);
}

/**
 * The token that an application or a login page gave to this tab. It arrives in the fragment (`#token=…`), which
 * browsers send to no server, leaves the address bar at once, and is kept for reloads.
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

/** The login page for people without a valid token; `undefined` if guests may join. */
export async function loginPage(room: string): Promise<string | null> {
  if (validToken(room) !== null) {
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
  readonly recorded?: boolean;
}

let asked: Promise<Policy> | null = null;

/** The deployment's policy for people without a token; requested once, unless the edge was unreachable. */
function policy(): Promise<Policy> {
  asked ??= request("/v1/guests").then(({ body }) => body as Policy);
  asked.catch(() => (asked = null));
  return asked;
}

/** True if the call is being recorded; `null` if the edge does not say, for instance to people who may not join. */
export async function isRecorded(room: string): Promise<boolean | null> {
  const token = validToken(room);
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const { body } = await request(`/v1/guests?room=${encodeURIComponent(room)}`, { headers });
  return body.recorded ?? null;
}

/** A guest waits for a moderator's answer, or first for a place in a full lobby. */
export type WaitingFor = "moderator" | "place";

/**
 * Waits in the lobby for a moderator: resolves with a token when the guest is admitted, and rejects when the guest is
 * refused, nobody answers within ten minutes, or `signal` aborts. If the lobby is full, the guest retries at growing
 * intervals until there is a place.
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
  let before: WaitingFor | null = null;
  for (;;) {
    const waitingFor = await knockInLobby(room, name, before);
    if (waitingFor === null) {
      return;
    }
    if (Date.now() >= until) {
      throw waitingFor === "place" ? new RoomError("room_full", "the waiting room is full") : new RoomError("not_admitted", "nobody answered");
    }
    before = waitingFor;
    onWaiting(waitingFor);
    fullInARow = waitingFor === "place" ? fullInARow + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, askAgainMs(fullInARow)));
    signal.throwIfAborted();
  }
}

/** The reason to wait; `null` once the guest is admitted. A guest who waits goes on while the edge is out of reach. */
async function knockInLobby(room: string, name: string, before: WaitingFor | null): Promise<WaitingFor | null> {
  try {
    return (await knock(room, name)) === null ? "moderator" : null;
  } catch (error) {
    if (error instanceof RoomError && LATER.includes(error.detail)) {
      return "place";
    }
    if (before !== null && error instanceof RoomError && error.code === "unreachable") {
      return before;
    }
    throw error;
  }
}

function askAgainMs(fullInARow: number): number {
  if (fullInARow === 0) {
    return ASK_AGAIN_MS;
  }
  const span = Math.min(ASK_AGAIN_MAX_MS, ASK_AGAIN_MS * 2 ** Math.min(fullInARow, 16));
  // Never sooner than guests who have a place, and spread over time.
  return Math.floor(ASK_AGAIN_MS + (span - ASK_AGAIN_MS) * Math.random());
}

/** Asks the edge to admit a guest. After a reload, the pass preserves the guest's identity and grants. */
export async function guestToken(room: string, name: string): Promise<string> {
  const token = await knock(room, name);
  if (token === null) {
    throw new RoomError("token_unavailable", "a moderator has to let the guest in");
  }
  return token;
}

/** A token, or `null` for guests who must wait. */
async function knock(room: string, name: string): Promise<string | null> {
  const key = `${PASS_KEY}.${room}`;
  const pass = recall("session", key);
  const { response, body } = await request("/v1/guests", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ room, name, ...(pass === null ? {} : { pass }) }),
  });
  if (!response.ok || body.pass === undefined) {
    const code = FINAL.find((final) => final === body.code) ?? "token_unavailable";
    throw new RoomError(code, body.code ?? `HTTP ${response.status}`);
  }
  remember("session", key, body.pass);
  return body.token ?? null;
}

type Answer = Partial<Policy> & { readonly token?: string; readonly pass?: string; readonly code?: string };

/** Throws `unreachable` if the network, a proxy or the edge fails. */
async function request(url: string, init?: RequestInit): Promise<{ response: Response; body: Answer }> {
  try {
    const response = await fetch(url, init);
    if (response.status >= 500) {
      throw new Error(`HTTP ${response.status}`);
    }
    return { response, body: (await response.json()) as Answer };
  } catch (error) {
    throw new RoomError("unreachable", String(error), { cause: error });
  }
}

/** The tab's token, unless it has expired. */
function validToken(room: string): string | null {
  const token = givenToken(room);
  return token !== null && Date.now() < runsOutAt(token) ? token : null;
}

/** The `exp` of a JWT (RFC 7519 §4.1.4); infinite if it cannot be read, as the edge will refuse the token. */
function runsOutAt(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
