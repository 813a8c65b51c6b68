// Folders that are deleted when this process ends, unless it is killed outright.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = [];

export function temporaryFolder(name) {
  if (folders.length === 0) {
    process.once("exit", () => folders.forEach(remove));
    // A signal alone would end the process without the cleanup.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  }
  const folder = mkdtempSync(join(tmpdir(), `rotunda-${name}-`));
  folders.push(folder);
  return folder;
}

function remove(folder) {
  // A program that is still ending may write.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
