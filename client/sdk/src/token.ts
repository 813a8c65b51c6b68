/** What a join token says, for the user interface alone: only the edge can tell whether it is true. */
import type { ParticipantId } from "./protocol.gen";

/** What a participant may do, as `shared` has it. */
export interface Grants {
  readonly publish: boolean;
  readonly subscribe: boolean;
  readonly moderate: boolean;
  readonly record: boolean;
}

/** The part of a token's claims that a client looks at. */
export interface Claims {
  readonly sub: ParticipantId;
  readonly room: string;
  readonly name: string;
  readonly grants: Grants;
}

/** Reads the claims of a JWT (RFC 7519 §3) without checking its signature; nothing where it is not one. */
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
    const may = (grant: keyof Grants, unless: boolean): boolean => {
      const value = granted[grant];
      return typeof value === "boolean" ? value : unless;
    };
    return {
      sub: String(sub),
      room: String(room),
      name: typeof name === "string" ? name : "",
      grants: {
        publish: may("publish", true),
        subscribe: may("subscribe", true),
        moderate: may("moderate", false),
        record: may("record", false),
      },
    };
  } catch {
    return null;
  }
}
