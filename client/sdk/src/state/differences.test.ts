/// <reference types="node" />
/** A play of the edge's tests: whatever happened while a client was away, it ends with the room's roster. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseFrame } from "../parse";
import type { EdgeToClient, ParticipantInfo } from "../protocol.gen";
import { Client, JOINED, resumed } from "./client.fixture";

const VECTOR = join(dirname(fileURLToPath(import.meta.url)), "../../../../tests/vectors/signal/differences.json");

type Line = EdgeToClient | { readonly roster: readonly ParticipantInfo[] };

test("a difference makes the known roster the current one", () => {
  const lines = JSON.parse(readFileSync(VECTOR, "utf8")) as Line[];
  let client = new Client();
  let compared = 0;
  for (const line of lines) {
    if (!("type" in line)) {
      expect(byId(client.state.roster)).toEqual(byId(line.roster));
      compared += 1;
    } else if (line.type === "joined") {
      client = new Client().asked();
      client.frame({ ...line, in_reply_to: client.lastSent().id });
    } else if (line.type === "resumed") {
      const known = client.state.rosterRevision;
      const { id, revision } = client.resumes();
      expect(revision).toBe(known);
      client.frame({ ...line, in_reply_to: id });
    } else {
      expect(parseFrame(JSON.stringify(line))).toEqual(line);
      client.frame(line);
    }
  }
  expect(compared).toBeGreaterThan(10);
});

test("a client names the roster that it knows, and none that an older edge sent", () => {
  const client = new Client().joined();
  const first = client.resumes();
  expect(first).not.toHaveProperty("revision");
  client.frame({ ...resumed(first.id), revision: 7 });
  const second = client.resumes();
  expect(second).toMatchObject({ revision: 7 });
  client.frame(resumed(second.id, "third"));
  expect(client.resumes()).not.toHaveProperty("revision");
});

test("only the last part of a change completes a roster", () => {
  const client = new Client().joined();
  const part: EdgeToClient = { type: "roster_changed", changed: JOINED.roster, left: [] };
  client.frame({ ...part, revision: 7 });
  client.frame(part);
  expect(client.state.rosterRevision).toBe(7);
});

function byId(roster: readonly ParticipantInfo[]): ParticipantInfo[] {
  return [...roster].sort((a, b) => (a.id < b.id ? -1 : 1));
}
