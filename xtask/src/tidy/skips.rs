//! Checks that no test is skipped, left for later, or run exclusively.

use super::Offence;
use super::source::Language;

const RUNNERS: &[&str] = &["describe", "suite", "test", "it"];
const MODIFIERS: &[&str] = &["skip", "skipIf", "runIf", "todo", "only", "fails"];
/// Names that tests use for their context.
const CONTEXTS: &[&str] = &["context", "ctx", "t"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    let is_skip = |line: &&str| match language {
        Language::Rust => ignores(line),
        Language::TypeScript => skips(line),
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_skip(line));
    let what = "every test runs: delete it, or make it pass";
    lines.map(|(at, _)| Offence { file: file.to_owned(), line: at + 1, what: what.to_owned() }).collect()
}

/// `#[ignore]`, `#[cfg_attr(debug_assertions, ignore)]`.
fn ignores(line: &str) -> bool {
    let line = line.trim_start();
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    line.starts_with("#[ignore") || line.starts_with("#[cfg_attr(") && words.any(|word| word == "ignore")
}

/// `describe.skip(`, `test.concurrent.only(`, `test["todo"](`, `xit(`, `test("name", { skip: true }`,
/// `test("name", { skip }`, `context.skip()`.
fn skips(line: &str) -> bool {
    let line = line.trim_start();
    if ["//", "/*", "*"].iter().any(|start| line.starts_with(start)) {
        return false;
    }
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | ':' | '"')).collect();
    words.iter().any(|word| match word.split_once('.') {
        Some((runner, rest)) => {
            let is_runner = RUNNERS.contains(&runner) || CONTEXTS.contains(&runner);
            is_runner && rest.split('.').any(|part| MODIFIERS.contains(&part))
        }
        None => {
            let name = word.strip_prefix('"').and_then(|word| word.strip_suffix("\":")).or(word.strip_suffix(':'));
            name.is_some_and(|name| matches!(name, "skip" | "todo" | "only"))
                || matches!(*word, "xit" | "xtest" | "xdescribe")
        }
    }) || shortens(line)
}

/// `test["skip"](`, and `{ skip }` among the options of a test that begins on this line.
fn shortens(line: &str) -> bool {
    let line: String = line.chars().filter(|letter| !letter.is_whitespace()).collect();
    let line = line.replace('\'', "\"");
    let Some(runner) = RUNNERS.iter().find(|runner| line.starts_with(**runner)) else { return false };
    let rest = &line[runner.len()..];
    MODIFIERS.iter().any(|modifier| {
        let among_options =
            |before| [',', '}'].iter().any(|after| rest.contains(&format!("{before}{modifier}{after}")));
        rest.starts_with(&format!("[\"{modifier}\"]"))
            || rest.starts_with('(') && ['{', ','].into_iter().any(among_options)
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
            "test[\"skip\"](\"x\", body);",
            "test['skip']('x', body);",
            "test.concurrent.skip(\"x\", body);",
            "describe.skip.each(cases)(\"x\", body);",
            "test.fails(\"x\", body);",
            "xit(\"x\", body);",
            "ctx.skip();",
            "test(\"x\", { \"skip\": true }, body);",
            "  test(\"x\", { skip }, body);",
            "test(\"x\", { timeout: 5, only }, body);",
        ] {
            check_count("a/x.test.mjs", line, 1);
        }
        check_count("a/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn x() {}\n", 1);
        check_count("a/x.rs", "#[test]\n#[cfg_attr(debug_assertions, ignore)]\nfn x() {}\n", 1);
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
