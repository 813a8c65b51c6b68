//! Formats JSON results as a table.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Checks that each case says its goal and whether it was met: a number and a boolean, or `null` twice without a goal.
pub(crate) fn check(lines: &[&str]) -> Result<()> {
    for line in lines {
        let result: Value = serde_json::from_str(line).with_context(|| format!("reading the result {line}"))?;
        match (result.get("goal"), result.get("met")) {
            (Some(Value::Number(_)), Some(Value::Bool(_))) | (Some(Value::Null), Some(Value::Null)) => {}
            _ => bail!("a result without `goal` and `met`: {line}"),
        }
    }
    Ok(())
}

/// The results for people: each case next to its floor and the programs it was compared with.
pub(crate) fn table(lines: &[&str]) -> Result<String> {
    let mut rows = vec![["case", "ours", "floor", "ratio", "goal", "others", "unit"].map(str::to_owned)];
    for line in lines {
        rows.push(row(&serde_json::from_str(line).with_context(|| format!("reading the result {line}"))?));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let [case, ours, floor, ratio, goal, others] = widths;
    let print = |row: &[String; 7]| {
        let line = format!(
            "  {:<case$}  {:>ours$}  {:>floor$}  {:>ratio$}  {:>goal$}  {:<others$}  {}",
            row[0], row[1], row[2], row[3], row[4], row[5], row[6]
        );
        line.trim_end().to_owned()
    };
    Ok(rows.iter().map(print).collect::<Vec<_>>().join("\n"))
}

/// The cases that missed their goal, which is for the ratio to the floor if there is one.
pub(crate) fn missed(lines: &[&str]) -> Result<Vec<String>> {
    let mut missed = Vec::new();
    for line in lines {
        let result: Value = serde_json::from_str(line).with_context(|| format!("reading the result {line}"))?;
        if result.get("met").and_then(Value::as_bool) == Some(false) {
            let [case, ours, _, ratio, goal, _, unit] = row(&result);
            let measured = if ratio == "-" { format!("{ours} {unit}") } else { ratio };
            missed.push(format!("{case}: {}, at most {goal} wanted", measured.trim_end()));
        }
    }
    Ok(missed)
}

fn row(result: &Value) -> [String; 7] {
    let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| result.get(key).and_then(Value::as_f64);
    let (ours, floor) = (number("ours"), number("floor"));
    let ratio = ours.zip(floor).filter(|(_, floor)| *floor > 0.0).map(|(ours, floor)| ours / floor);
    // Without a floor, the benchmark computes its own ratio.
    let ratio = ratio.or(number("ratio")).map(|ratio| format!("{ratio:.2}"));
    let peers = result.get("peers").and_then(Value::as_object).into_iter().flatten();
    let others: Vec<String> = peers.map(|(name, value)| format!("{name} {}", short(value.as_f64()))).collect();
    let ratio = ratio.unwrap_or_else(|| "-".to_owned());
    let goal = number("goal").map_or_else(|| "-".to_owned(), |goal| goal.to_string());
    [text("case"), short(ours), short(floor), ratio, goal, others.join(", "), text("unit")]
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
    use super::{check, missed, table};

    #[test]
    fn cases_stand_beside_their_floor() {
        let lines = [
            r#"{"bench":"sfu","case":"1x50 spaced","unit":"ns/packet","ours":1700,"floor":1550.4,"peers":{},"goal":1.15}"#,
            r#"{"bench":"join","case":"dtls","unit":"ms","ours":22.25,"floor":null,"peers":{"other":40}}"#,
            r#"{"bench":"turn","case":"up","unit":"ns/packet","ours":600,"floor":null,"ratio":0.75,"peers":{"other":800}}"#,
        ];
        let expected = "  case         ours  floor  ratio  goal  others      unit\n\
            \x20 1x50 spaced  1700   1550   1.10  1.15              ns/packet\n\
            \x20 dtls         22.2      -      -     -  other 40.0  ms\n\
            \x20 up            600      -   0.75     -  other 800   ns/packet";
        assert_eq!(table(&lines).expect("valid lines"), expected);
    }

    #[test]
    fn more_than_a_goal_is_a_miss() {
        let lines = [
            r#"{"case":"a call works","unit":"s","ours":360.4,"goal":360,"met":false}"#,
            r#"{"case":"TURN works","unit":"s","ours":540,"goal":540,"met":true}"#,
            r#"{"case":"1x50","unit":"ns/packet","ours":1400,"floor":1000,"goal":1.25,"met":false}"#,
            r#"{"case":"up","unit":"ns/packet","ours":900,"peers":{"other":800}}"#,
        ];
        let expected = ["a call works: 360 s, at most 360 wanted", "1x50: 1.40, at most 1.25 wanted"];
        assert_eq!(missed(&lines).expect("valid lines"), expected);
    }

    #[test]
    fn each_case_says_its_goal_and_whether_it_was_met() {
        let check = |fields: &str| check(&[&format!(r#"{{"case":"1x50","ours":1{fields}}}"#)]).is_ok();
        assert!(check(r#","goal":1.15,"met":true"#) && check(r#","goal":null,"met":null"#));
        for fields in ["", r#","goal":null"#, r#","goal":1.15,"met":null"#, r#","goal":null,"met":true"#] {
            assert!(!check(fields), "{fields}");
        }
    }

    #[test]
    fn a_broken_line_is_an_error() {
        assert!(table(&[r#"{"bench":"sfu""#]).is_err());
        assert!(missed(&[r#"{"bench":"sfu""#]).is_err());
        assert!(check(&[r#"{"bench":"sfu""#]).is_err());
    }
}
