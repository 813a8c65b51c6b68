// A Worker with its storage: it can be killed and restarted, and tests can read and change the objects' data on disk in
// between.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startEdge } from "./edge.mjs";

/** Calls `body` with a Worker and its storage folder, which outlives kills, and removes both afterwards. */
export async function withStoredEdge(options, body) {
  const folder = mkdtempSync(join(tmpdir(), "rotunda-edge-"));
  try {
    const edge = await startEdge({ persist: folder, ...options });
    try {
      return await body(edge, folder);
    } finally {
      await edge.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Calls `body` with the database and identity of each object of a class that has an identity. */
export function eachStored(folder, className, body) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.includes(className) && name.endsWith(".sqlite"));
  for (const name of files) {
    const database = new DatabaseSync(join(folder, name));
    // The Worker was killed a moment ago, and the system may still be cleaning up.
    database.exec("PRAGMA busy_timeout = 5000");
    try {
      const tables = database.prepare("SELECT name FROM sqlite_master WHERE name = 'identity'").all();
      const [row] = tables.length ? database.prepare("SELECT value FROM identity").all() : [];
      if (row) body(database, JSON.parse(row.value));
    } finally {
      database.close();
    }
  }
}

/** Calls `body` with the database of one room; resolves with its result. */
export function stored(folder, room, body) {
  let result;
  let found = false;
  eachStored(folder, "RoomObject", (database, identity) => {
    if (identity.room !== room) return;
    found = true;
    result = body(database);
  });
  if (!found) throw new Error(`nothing is stored of ${room}`);
  return result;
}

export function keysOf(folder, room) {
  return stored(folder, room, (database) => database.prepare("SELECT key FROM core ORDER BY key").all().map(({ key }) => key));
}
