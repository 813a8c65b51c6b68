//! Formats JSON results as a table.

use anyhow::{Context, Result};
use serde_json::Value;

/// The results for people: each case beside its floor and the programs it was compared with.
pub(crate) fn table(lines: &[&str]) -> Result<String> {
    let mut rows = vec![["case", "ours", "floor", "ratio", "others", "unit"].map(str::to_owned)];
    for line in lines {
        rows.push(row(&serde_json::from_str(line).with_context(|| format!("reading the result {line}"))?));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    let [case, ours, floor, ratio, others] = widths;
    let print = |row: &[String; 6]| {
        let line = format!(
            "  {:<case$}  {:>ours$}  {:>floor$}  {:>ratio$}  {:<others$}  {}",
            row[0], row[1], row[2], row[3], row[4], row[5]
        );
        line.trim_end().to_owned()
    };
    Ok(rows.iter().map(print).collect::<Vec<_>>().join("\n"))
}

fn row(result: &Value) -> [String; 6] {
    let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| result.get(key).and_then(Value::as_f64);
    let (ours, floor) = (number("ours"), number("floor"));
    let ratio = ours.zip(floor).filter(|(_, floor)| *floor > 0.0).map(|(ours, floor)| ours / floor);
    // Without a floor it is what the benchmark itself compared with.
    let ratio = ratio.or(number("ratio")).map(|ratio| format!("{ratio:.2}"));
    let peers = result.get("peers").and_then(Value::as_object).into_iter().flatten();
    let others: Vec<String> = peers.map(|(name, value)| format!("{name} {}", short(value.as_f64()))).collect();
    [text("case"), short(ours), short(floor), ratio.unwrap_or_else(|| "-".to_owned()), others.join(", "), text("unit")]
}

fn short(number: Option<f64>) -> String {
    match number {
        Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
        Some(number) => format!("{number:.1}"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn cases_stand_beside_their_floor() {
        let lines = [
            r#"{"bench":"sfu","case":"1x50 spaced","unit":"ns/packet","ours":1700,"floor":1550.4,"peers":{}}"#,
            r#"{"bench":"join","case":"dtls","unit":"ms","ours":22.25,"floor":null,"peers":{"other":40}}"#,
            r#"{"bench":"turn","case":"up","unit":"ns/packet","ours":600,"floor":null,"ratio":0.75,"peers":{"other":800}}"#,
        ];
        let expected = "  case         ours  floor  ratio  others      unit\n\
            \x20 1x50 spaced  1700   1550   1.10              ns/packet\n\
            \x20 dtls         22.2      -      -  other 40.0  ms\n\
            \x20 up            600      -   0.75  other 800   ns/packet";
        assert_eq!(table(&lines).expect("valid lines"), expected);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        assert!(table(&[r#"{"bench":"sfu""#]).is_err());
    }
}
