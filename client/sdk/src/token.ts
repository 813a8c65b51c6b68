/** Reads a join token's claims for the user interface only; just the edge can verify them. */
import type { Grants, ParticipantId } from "./protocol.gen";

/** The part of a token's claims that a client reads. */
export interface Claims {
  readonly sub: ParticipantId;
  readonly room: string;
  readonly name: string;
  readonly grants: AllGrants;
}

/** The permissions of a participant in a room, each of which is on or off. */
export type AllGrants = Required<Omit<Grants, "create">>;

/** The grants of a token without any. */
export const DEFAULT_GRANTS: AllGrants = {
  publish: true,
  microphone: true,
  camera: true,
  screen: true,
  subscribe: true,
  chat: true,
  moderate: false,
  record: false,
  admit: false,
  hidden: false,
  metadata: false,
};

/** Reads the claims of a JWT (RFC 7519 §3) without checking its signature; returns `null` if it is not a JWT. */
export function readToken(token: string): Claims | null {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof claims !== "object" || claims === null) {
      return null;
    }
    const { sub, room, name, grants } = claims as Record<string, unknown>;
    const granted = (typeof grants === "object" && grants !== null ? grants : {}) as Record<string, unknown>;
    const grantOf = (grant: string, unless: boolean): boolean => {
      const value = granted[grant];
      return typeof value === "boolean" ? value : unless;
    };
    const all = Object.entries(DEFAULT_GRANTS).map(([grant, unless]) => [grant, grantOf(grant, unless)]);
    return {
      sub: String(sub),
      room: String(room),
      name: typeof name === "string" ? name : "",
      // Every existing grant has a default, so none is missing.
      grants: Object.fromEntries(all) as AllGrants,
    };
  } catch {
    return null;
  }
}

/** True if a token grants publishing, or cannot be read. */
export function mayPublish(token: string): boolean {
  return readToken(token)?.grants.publish ?? true;
}
