/** Reads the address bar: the page, and the options for tests and bots. */
import type { Profile, VideoCodec } from "@rotunda/client";

export type Route =
  | {
      readonly page: "home";
      /** The invalid room name in the address, decoded for display; `null` if there is none. */
      readonly badLink: string | null;
    }
  | { readonly page: "room"; readonly room: string; readonly options: Options }
  | { readonly page: "demo"; readonly demo: DemoOptions };

/** The query of the demo of discovery. */
export interface DemoOptions {
  readonly room: string;
  /** `null` lets the user choose. */
  readonly role: "broadcaster" | "receiver" | null;
}

/** The query of a room's page. */
export interface Options {
  /** Joins at once, without the lobby. */
  readonly auto: boolean;
  readonly microphone: boolean;
  readonly camera: boolean;
  readonly name: string | null;
  readonly cameraSize: { readonly width: number; readonly height: number } | null;
  /** Uses TURN servers only. */
  readonly relay: boolean;
  /** The preferred video codec; `null` leaves it to the SDK. */
  readonly codec: VideoCodec | null;
  /** Limits the camera by the state of the uplink; `null` leaves it to the browser. */
  readonly profile: Profile | null;
}

const CODECS: readonly VideoCodec[] = ["vp8", "h264"];
const PROFILES: readonly Profile[] = ["soulseer", "cinema", "kaa"];
// The same as `RoomId` in `shared`: characters that a URL path carries unescaped.
const ROOM = /^[A-Za-z0-9_-]{1,64}$/;

export function readRoute(pathname: string, search: string): Route {
  // Programs that pass links on escape more than they must.
  const room = decoded(/^\/r\/([^/]+)\/?$/.exec(pathname)?.[1] ?? "");
  if (ROOM.test(room)) {
    return { page: "room", room, options: readOptions(new URLSearchParams(search)) };
  }
  if (/^\/demo\/broadcast\/?$/.test(pathname)) {
    return { page: "demo", demo: readDemo(new URLSearchParams(search)) };
  }
  const isHome = /^\/(index\.html)?$/.test(pathname);
  return { page: "home", badLink: isHome ? null : decoded(pathname.replace(/^\/r\/(?=.)/, "")) };
}

export function roomPath(room: string): string {
  return `/r/${room}`;
}

/** Reads a room name from typed or pasted text: a name, or a link to a room. */
export function readRoomName(text: string): string | null {
  // A link out of a sentence may bring the sentence's punctuation along.
  const [, fromLink] = /\/r\/([^/?#\s]+?)(?:[/?#]|[.,;:!'"*)\]}>\u2019\u201C\u201D\u00BB\u3002\uFF0C]*(?:\s|$))/u.exec(text) ?? [];
  const name = decoded(fromLink ?? text).trim().replace(/\s+/g, "-");
  return ROOM.test(name) ? name : null;
}

/** An unguessable room name: four groups of seven unambiguous letters, 5 bits each. */
export function newRoomName(): string {
  const letters = "0123456789abcdefghjkmnpqrstvwxyz";
  const bytes = crypto.getRandomValues(new Uint8Array(28));
  const text = [...bytes].map((byte) => letters[byte % letters.length]).join("");
  return [0, 7, 14, 21].map((at) => text.slice(at, at + 7)).join("-");
}

function readOptions(query: URLSearchParams): Options {
  const [width, height] = [Number(query.get("width")), Number(query.get("height"))];
  return {
    auto: query.get("auto") === "1",
    microphone: query.get("microphone") !== "0",
    camera: query.get("camera") !== "0",
    name: query.get("name"),
    cameraSize: width > 0 && height > 0 ? { width, height } : null,
    relay: query.get("relay") === "1",
    codec: CODECS.find((codec) => codec === query.get("codec")) ?? null,
    profile: PROFILES.find((profile) => profile === query.get("profile")) ?? null,
  };
}

function readDemo(query: URLSearchParams): DemoOptions {
  const [room, role] = [query.get("room") ?? "", query.get("role")];
  return { room: ROOM.test(room) ? room : "demo-broadcast", role: role === "broadcaster" || role === "receiver" ? role : null };
}

/** A path may contain invalid percent-encoding. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
