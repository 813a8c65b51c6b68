//! Checks that no test is skipped, left for later, or run exclusively.

use super::Offence;
use super::source::Language;

const RUNNERS: &[&str] = &["describe", "suite", "test", "it"];
const MODIFIERS: &[&str] = &["skip", "skipIf", "runIf", "todo", "only"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    let is_skip = |line: &&str| match language {
        Language::Rust => line.trim_start().starts_with("#[ignore"),
        Language::TypeScript => skips(line),
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_skip(line));
    let what = "every test runs: delete it, or make it pass";
    lines.map(|(at, _)| Offence { file: file.to_owned(), line: at + 1, what: what.to_owned() }).collect()
}

/// `describe.skip(`, `test.todo(`, `test("name", { skip: true }`, `context.skip()`.
fn skips(line: &str) -> bool {
    let line = line.trim_start();
    if ["//", "/*", "*"].iter().any(|start| line.starts_with(start)) {
        return false;
    }
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | ':' | '"')).collect();
    words.iter().any(|word| match word.rsplit_once('.') {
        Some((runner, modifier)) => {
            MODIFIERS.contains(&modifier) && (RUNNERS.contains(&runner) || matches!(runner, "context" | "t"))
        }
        None => matches!(*word, "skip:" | "todo:" | "only:"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_count(file: &str, text: &str, expected: usize) {
        assert_eq!(check(file, text).len(), expected, "{text}");
    }

    #[test]
    fn no_test_is_left_out() {
        for line in [
            "describe.skip(\"x\", () => {",
            "  test.skip(\"x\", body);",
            "test.todo(\"x\");",
            "it.only(\"x\", body);",
            "test.skipIf(slow)(\"x\", body);",
            "test(\"x\", { skip: slow }, body);",
            "context.skip();",
        ] {
            check_count("a/x.test.mjs", line, 1);
        }
        check_count("a/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn x() {}\n", 1);
    }

    #[test]
    fn other_words_are_no_skips() {
        check_count("a/x.ts", "  /** For diagnostics only: it changes. */", 0);
        for line in
            ["test(\"skip: the rest\", body);", "list.skip(2)", "const only = 1;", "test.each(cases)(\"x\", body)"]
        {
            check_count("a/x.mjs", line, 0);
        }
        check_count("a/x.rs", "list.iter().skip(2);\n", 0);
    }
}
