// Reads rows on the JavaScript side: a call from Rust for each would cost more than reading them.

/** A line for each row whose key is not from `from` to `to`: the key, a tab, and the value, whose JSON has no tabs. */
export function rowsOutside(sql, from, to) {
  let lines = "";
  for (const [key, value] of sql.exec("SELECT key, value FROM core WHERE key < ? OR key >= ?", from, to).raw()) {
    lines += `${key}\t${value}\n`;
  }
  return lines;
}
