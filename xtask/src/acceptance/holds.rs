//! Finds the requirements that a file's tests cover: `// Holds S0-SIG-02, S3-SM-01.` above a test,
//! in Terraform `# Holds …`.

/// The beginning of such a line, after the comment marks.
const HOLDS: &str = " Holds ";
/// Functions that declare a test: `test` itself, and helpers in some files.
const MAKERS: &[&str] = &["test", "alarm", "refused"];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) row: String,
    /// From the repository root.
    pub(super) file: String,
    /// Counted from 1.
    pub(super) line: usize,
    test: String,
}

impl Held {
    /// A Markdown link with the test's name.
    pub(super) fn link(&self) -> String {
        let Self { test, file, .. } = self;
        format!("`{test}` in [{file}](../{file})")
    }
}

/// Adds the rows that a file's tests cover, and mistakes in the comments.
pub(super) fn read(file: &str, text: &str, tests: &mut Vec<Held>, mistakes: &mut Vec<String>) {
    let (is_rust, is_terraform) = (file.ends_with(".rs"), file.ends_with(".tftest.hcl"));
    if !is_rust && !is_terraform && ![".mjs", ".ts", ".tsx"].iter().any(|ending| file.ends_with(ending)) {
        return;
    }
    let comment = if is_terraform { "#" } else { "//" };
    let mut waiting: Vec<(usize, &str)> = Vec::new();
    let mut is_test = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(rows) = line.strip_prefix(comment).and_then(|line| line.strip_prefix(HOLDS)) {
            is_test = false;
            waiting.extend(rows.trim_end_matches('.').split(", ").map(|row| (index + 1, row)));
            continue;
        }
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if waiting.is_empty() || line.starts_with(comment) || line.starts_with("#[") && !line.starts_with("#[ignore") {
            continue;
        }
        let name = match (is_rust, is_terraform) {
            (true, _) => rust_test(line).filter(|_| is_test),
            (false, true) => terraform_run(line),
            (false, false) => script_test(line),
        };
        is_test = false;
        for (line, row) in waiting.drain(..) {
            match name {
                Some(test) => {
                    tests.push(Held { row: row.to_owned(), file: file.to_owned(), line, test: test.to_owned() });
                }
                None => mistakes.push(format!("{file}:{line}: no test follows the comment for {row}")),
            }
        }
    }
    mistakes.extend(waiting.iter().map(|(line, row)| format!("{file}:{line}: no test follows the comment for {row}")));
}

fn rust_test(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ")?;
    rest.split(['(', '<']).next()
}

/// The name in `run "name" {`.
fn terraform_run(line: &str) -> Option<&str> {
    line.strip_prefix("run \"")?.strip_suffix("\" {")
}

/// The name in `test("name"`, or in `test.each(cases)("name"`.
fn script_test(line: &str) -> Option<&str> {
    let (maker, _) = line.split_once(['(', '.', '<'])?;
    let (call, rest) = line.split_once("(\"").or_else(|| line.split_once("(`"))?;
    let is_made = call == maker || call.starts_with(&format!("{maker}.each"));
    rest.split(['"', '`']).next().filter(|name| is_made && MAKERS.contains(&maker) && name.len() < rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str, expected: &[(&str, &str)], mistakes_expected: usize) {
        let (mut tests, mut mistakes) = (Vec::new(), Vec::new());
        read(file, text, &mut tests, &mut mistakes);
        let found: Vec<_> = tests.iter().map(|held| (held.row.as_str(), held.test.as_str())).collect();
        assert_eq!((found.as_slice(), mistakes.len()), (expected, mistakes_expected), "{text}: {mistakes:?}");
    }

    #[test]
    fn what_stands_above_a_test_is_held_by_it() {
        let rows = "  // Holds S0-A-01, S0-A-02.\n  // Holds S0-A-03.\n";
        let both = |test| [("S0-A-01", test), ("S0-A-02", test), ("S0-A-03", test)];
        check("a.rs", &format!("{rows}// Why.\n#[test]\n#[allow(x)]\nfn one() {{}}\nfn two() {{}}"), &both("one"), 0);
        check("a.rs", &format!("{rows}#[tokio::test]\nasync fn two() {{}}"), &both("two"), 0);
        check("a.mjs", &format!("{rows}  test(\"three, four\", async () => {{"), &both("three, four"), 0);
        check("a.ts", &format!("{rows}test.each<Code>(cases)(\"%s: five\", (x) =>"), &both("%s: five"), 0);
        check("a.mjs", &format!("{rows}refused(\"six\", /x/);"), &both("six"), 0);
        check("a.mjs", &format!("{rows}test(`${{who}}: seven`, body);"), &both("${who}: seven"), 0);
        let rows = "# Holds S0-A-01, S0-A-02.\n# Holds S0-A-03.\n";
        check("a.tftest.hcl", &format!("{rows}# Why.\nrun \"eight\" {{"), &both("eight"), 0);
        check("a.md", rows, &[], 0);
    }

    #[test]
    fn what_stands_above_something_else_is_a_mistake() {
        let row = "#[test]\nfn before() {}\n// Holds S0-A-01.\n";
        for not_a_test in
            ["fn x() {}", "#[test]\n#[ignore = \"slow\"]\nfn x() {}", "const X: u8 = 1;\n#[test]\nfn x() {}", ""]
        {
            check("a.rs", &format!("{row}{not_a_test}"), &[], 1);
        }
        for not_a_test in [
            "test.skip(\"x\", body);",
            "test.todo(\"x\");",
            "assert(\"x\", 1);",
            "const x = test;",
            "describe(\"x\", body);",
        ] {
            check("a.mjs", &format!("{row}{not_a_test}"), &[], 1);
        }
        check("a.tftest.hcl", "# Holds S0-A-01.\nvariables {", &[], 1);
    }
}
