/** Who the user is in this tab, and the invitation that lets them in. */
import { randomId } from "@rotunda/client";
import type { Options } from "./route";
import { recall, remember } from "./storage";

const PARTICIPANT_KEY = "rotunda.participant";
const NAME_KEY = "rotunda.name";
const HOST_KEY = "rotunda.host";

/** The same for the life of the tab, so that a reload is the same participant. */
export function participantId(options: Options): string {
  if (options.participant !== null) {
    return options.participant;
  }
  const known = recall("session", PARTICIPANT_KEY);
  if (known !== null) {
    return known;
  }
  const id = `guest-${randomId()}`;
  remember("session", PARTICIPANT_KEY, id);
  return id;
}

/** What the user called themselves last time. */
export function rememberedName(): string {
  return recall("local", NAME_KEY) ?? "";
}

export function rememberName(name: string): void {
  remember("local", NAME_KEY, name);
}

/** Whoever makes up a room may remove others from it. */
export function rememberHost(room: string): void {
  remember("session", HOST_KEY, room);
}

function mayModerate(room: string, options: Options): boolean {
  return options.moderate || recall("session", HOST_KEY) === room;
}

/** Asks for a join token. Deployments put their own server in this place; the development edge gives one to anybody. */
export async function fetchToken(room: string, name: string, options: Options): Promise<string> {
  const grants = { publish: true, subscribe: true, chat: true, moderate: mayModerate(room, options), record: mayModerate(room, options) };
  const response = await fetch("/v1/dev/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ room, participant: participantId(options), name, grants }),
  });
  if (!response.ok) {
    throw new Error(`token: ${response.status}`);
  }
  const { token } = (await response.json()) as { token: string };
  return token;
}
