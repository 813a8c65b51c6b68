// Reads and writes rows on the JavaScript side: a call from Rust for each would cost more than SQLite.

/** A line for each row whose key is not from `from` to `to`: the key, a tab, and the value, whose JSON has no tabs. */
export function rowsOutside(sql, from, to) {
  let lines = "";
  for (const [key, value] of sql.exec("SELECT key, value FROM core WHERE key < ? OR key >= ?", from, to).raw()) {
    lines += `${key}\t${value}\n`;
  }
  return lines;
}

/** Writes such lines in one transaction. A key without a value is deleted. */
export function writeRows(storage, sql, lines) {
  storage.transactionSync(() => {
    for (const line of lines.split("\n")) {
      const end = line.indexOf("\t");
      if (end > 0) sql.exec("INSERT OR REPLACE INTO core (key, value) VALUES (?, ?)", line.slice(0, end), line.slice(end + 1));
      else if (line !== "") sql.exec("DELETE FROM core WHERE key = ?", line);
    }
  });
}
