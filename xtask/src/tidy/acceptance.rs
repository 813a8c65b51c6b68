//! Every row of docs/acceptance.md says which tests prove it, or why there are none; and those tests exist.

use std::collections::BTreeSet;

use super::Offence;

/// The page.
pub(super) const PAGE: &str = "docs/acceptance.md";
/// How many rows were asked for.
const ROWS: usize = 222;

/// The names of the tests in a file.
pub(super) fn tests<'a>(file: &str, text: &'a str) -> Vec<&'a str> {
    if file.ends_with(".rs") {
        rust_tests(text)
    } else if file.ends_with(".mjs") || file.ends_with(".ts") {
        text.lines().filter_map(script_test).collect()
    } else {
        Vec::new()
    }
}

/// Compares the page with the tests that there are.
pub(super) fn check(page: &str, tests: &BTreeSet<String>) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut ids = BTreeSet::new();
    for (index, line) in page.lines().enumerate() {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let [id, _, proof] = cells[..] else { continue };
        if !id.starts_with('S') || !id.ends_with(|last: char| last.is_ascii_digit()) {
            continue;
        }
        let mut offence = |what: String| offences.push(Offence { file: PAGE.to_owned(), line: index + 1, what });
        if !ids.insert(id) {
            offence(format!("{id} is there twice"));
        }
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        let reason = proof.strip_prefix("later: ").or_else(|| proof.strip_prefix("no test: "));
        if names.is_empty() && reason.is_none_or(str::is_empty) {
            offence(format!("{id} names no test, and no reason"));
        }
        // A reason may name files and commands.
        let unknown = names.iter().filter(|name| reason.is_none() && !tests.contains(**name));
        unknown.for_each(|name| offence(format!("no test is called {name}")));
    }
    if ids.len() != ROWS {
        offences.push(Offence {
            file: PAGE.to_owned(),
            line: 1,
            what: format!("{} rows instead of {ROWS}", ids.len()),
        });
    }
    offences
}

/// Functions behind an attribute that makes them a test.
fn rust_tests(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ")
            && std::mem::take(&mut is_test)
        {
            names.extend(rest.split('(').next());
        }
    }
    names
}

/// `test("name"`, or whatever a file calls its tests' function.
fn script_test(line: &str) -> Option<&str> {
    let (call, rest) = line.split_once("(\"")?;
    let name = rest.split("\", ").next().filter(|name| name.len() < rest.len())?;
    let called = call.rsplit(|c: char| !c.is_alphanumeric()).next()?;
    matches!(called, "test" | "alarm" | "scenario").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_row(row: &str, expected: &[&str]) {
        let filler: String = (1..ROWS).map(|number| format!("| S9-A-{number} | x | later: y |\n")).collect();
        let found = check(&format!("{filler}{row}"), &BTreeSet::from(["a test".to_owned()]));
        assert_eq!(found.iter().map(|offence| offence.what.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_row_names_tests_that_exist_or_a_reason() {
        check_row("| S0-X-01 | what | `a test` |", &[]);
        check_row("| S0-X-01 | what | later: with `cargo x` |", &[]);
        check_row("| S0-X-01 | what | `a test`; `another` |", &["no test is called another"]);
        check_row("| S0-X-01 | what | soon |", &["S0-X-01 names no test, and no reason"]);
        check_row("| S0-X-01 | what | later: |", &["S0-X-01 names no test, and no reason"]);
    }

    #[test]
    fn every_row_is_there_once() {
        check_row("| S9-A-1 | what | later: y |", &["S9-A-1 is there twice", "221 rows instead of 222"]);
        check_row("", &["221 rows instead of 222"]);
    }

    #[test]
    fn tests_are_found_by_their_names() {
        let rust = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test]\nasync fn two() {}";
        assert_eq!(tests("a.rs", rust), ["one", "two"]);
        let script = "test(\"three, four\", async () => {\n  alarm(\"five\", body);\n  assert(\"six\", 1);";
        assert_eq!(tests("a.mjs", script), ["three, four", "five"]);
    }
}
