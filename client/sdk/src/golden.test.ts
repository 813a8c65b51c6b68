/// <reference types="node" />
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseFrame } from "./parse";
import type { EdgeToClient } from "./protocol.gen";
import type { State } from "./state";
import { initial, step } from "./state";

const HERE = dirname(fileURLToPath(import.meta.url));
const VECTORS = join(HERE, "../../../tests/vectors/signal");
const SCRATCH = join(HERE, "../node_modules/.golden");

describe("golden messages", () => {
  test.each([
    ["edge_to_client", "EdgeToClient[]"],
    ["client_to_edge", "(ClientToEdge & { id?: number })[]"],
  ])("%s.json has the type that was generated for it", (file, type) => {
    expect(typeErrors(file, type, read(file))).toBe("");
  });

  test("the check above finds a field of another type", () => {
    const spoiled = read("edge_to_client").replace('"code": "bad_token"', '"code": "bad_tokens"');
    expect(typeErrors("spoiled", "EdgeToClient[]", spoiled)).toContain("bad_tokens");
  });

  const messages = JSON.parse(read("edge_to_client")) as EdgeToClient[];

  test.each(messages)("$type is understood as it was written", (message) => {
    expect(parseFrame(JSON.stringify(message))).toEqual(message);
  });

  const optional: Partial<Record<EdgeToClient["type"], readonly string[]>> =
    { removed: ["reason"], resumed: ["revision", "difference"], roster_changed: ["revision"], signaled: ["link"], track_muted: ["held"] };

  test.each(messages)("$type is not understood without one of its fields", (message) => {
    for (const field of Object.keys(message).filter((name) => !optional[message.type]?.includes(name))) {
      const { [field as "type"]: _, ...rest } = message;
      expect(parseFrame(JSON.stringify(rest)), field).toBeNull();
    }
  });

  /** Fields of participants, rooms, ICE servers and bans that are omitted when empty. */
  const absent: readonly string[] =
    ["metadata", "grants", "bandwidth", "send_bps_max", "receive_bps_max", "hand_raised_at", "username", "credential", "audience", "resume_spread_ms", "state", "room_type", "public", "features", "quality", "starts_at", "started_at", "ends_at", "address", "revision", "difference", "link", "sdp", "candidates", "ufrag", "peer_to_peer_max", "direct", "role", "attributes", "microphone", "camera", "screen", "admit", "hidden", "spotlight", "held"];

  test.each(messages)("$type is understood with every part as its type has it, and not otherwise", (message) => {
    for (const path of paths(message).filter(([field]) => field !== "type")) {
      const where = path.join(".");
      const name = String(path.at(-1));
      const mayLack = /^\d+$/.test(name) || (absent.includes(name) && where !== "room.metadata" && where !== "recording.state" && where !== "recording.started_at") || where === "room.reason";
      expect(parseFrame(JSON.stringify(changed(message, path, undefined))) !== null, `${where} left out`).toBe(mayLack);
      const other = typeof at(message, path) === "boolean" ? "text" : true;
      expect(parseFrame(JSON.stringify(changed(message, path, other))), `${where} of another kind`).toBeNull();
    }
    expect(parseFrame(JSON.stringify({ ...message, of_a_newer_edge: [1] }))).not.toBeNull();
  });

  test.each(messages)("$type moves a client that is waiting for it", (message) => {
    const before = waitingFor(message.type);
    const [after, commands] = step(before, { on: "frame", text: JSON.stringify(message) }, 5_000);
    const changed = JSON.stringify({ ...after, deadlines: {} }) !== JSON.stringify({ ...before, deadlines: {} });
    expect(changed || commands.length > 0).toBe(true);
  });
});

type Path = readonly string[];

/** Every path in a value, including nested objects and lists. */
function paths(value: unknown): Path[] {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return entries.flatMap(([name, inner]) => [[name], ...paths(inner).map((path) => [name, ...path])]);
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((inner, name) => (inner as Record<string, unknown>)[name], value);
}

/** A copy with another value at one path, or without that path. */
function changed(value: unknown, path: Path, other: unknown): unknown {
  const [name, ...rest] = path as [string, ...string[]];
  const inner = (value as Record<string, unknown>)[name];
  const put = rest.length === 0 ? other : changed(inner, rest, other);
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, index) => (String(index) !== name ? [item] : put === undefined ? [] : [put]));
  }
  return { ...(value as object), [name]: put };
}

function read(name: string): string {
  return readFileSync(join(VECTORS, `${name}.json`), "utf8");
}

/** The TypeScript compiler's errors for a JSON text as a literal of a type. */
function typeErrors(name: string, type: string, json: string): string {
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `${name}.ts`);
  const imports = `import type { ClientToEdge, EdgeToClient } from "${HERE}/protocol.gen";`;
  writeFileSync(file, `${imports}\nexport const unused: ClientToEdge | null = null;\nexport const messages: ${type} = ${json};\n`);
  const tsc = join(HERE, "../../../node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--ignoreConfig", "--module", "esnext", "--moduleResolution", "bundler"];
  try {
    execFileSync(process.execPath, [tsc, ...flags, "--types", "", file], { encoding: "utf8", stdio: "pipe" });
    return "";
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

/** A client in the right state for the message: the golden replies answer the requests 1, 2 and 6. */
function waitingFor(type: EdgeToClient["type"]): State {
  const seed = { attemptPrefix: "page", seed: 1, muted: {}, renewsToken: false, publishes: true };
  let state = initial(seed);
  const play = (event: Parameters<typeof step>[1]): void => {
    [state] = step(state, event, 1_000);
  };
  const section = { mid: "0", source: "microphone" } as const;
  play({ on: "start" });
  play({ on: "offer_made", offer: 1, sdp: "", sections: [section] });
  play({ on: "socket_opened" });
  if (type === "joined" || type === "refused" || type === "error") {
    return state;
  }
  const [joined] = JSON.parse(read("edge_to_client")) as [Extract<EdgeToClient, { type: "joined" }>];
  play({ on: "frame", text: JSON.stringify(joined) });
  play({ on: "answer_applied", offer: 1, moved: false });
  play({ on: "transport_connected" });
  if (type === "participant_left") {
    const alan = { id: "alan", name: "", joined_at: 1, connection: "connected", tracks: [] } as const;
    play({ on: "frame", text: JSON.stringify({ type: "participant_joined", participant: alan }) });
  } else if (type === "negotiated") {
    play({ on: "transport_lost", why: "quiet" });
    play({ on: "offer_made", offer: 2, sdp: "", sections: [section] });
  } else if (type === "resumed") {
    play({ on: "socket_closed", code: 1006 });
    play({ on: "network_changed" });
    state = { ...state, requestsMade: 0 };
    play({ on: "socket_opened" });
  } else if (type === "done") {
    state = { ...state, requestsMade: 5 };
    play({ on: "set_muted", source: "microphone", muted: true });
  }
  return state;
}
