// Folders that are gone when this process ends, unless it is killed outright.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = [];

export function temporaryFolder(name) {
  if (folders.length === 0) {
    process.once("exit", () => folders.forEach(remove));
    // A signal alone would end the process without that.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  }
  const folder = mkdtempSync(join(tmpdir(), `rotunda-${name}-`));
  folders.push(folder);
  return folder;
}

function remove(folder) {
  // A program that has not ended yet may still write.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
