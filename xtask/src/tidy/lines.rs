//! Checks the length of files and functions, and the names of modules.

use super::Offence;
use super::source::{self, Language};

/// Longest file, tests not counted.
const FILE_LINES_MAX: usize = 500;

/// Longest function, tests not counted.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, with their length. May only become fewer and shorter.
const EXEMPT: &[(&str, usize)] = &[];

/// Modules are named after their content; everything would fit into these.
const NAMELESS: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    let mut offences = Vec::new();
    let mut offend = |line, what| offences.push(Offence { file: file.to_owned(), line, what });
    if NAMELESS.contains(&stem(file)) {
        offend(1, "a module is named after what it holds".to_owned());
    }
    if is_test(file) || is_generated(file) {
        return offences;
    }
    if language == Language::Rust && !text.starts_with("//!") {
        offend(1, "a module begins with a sentence about it (//!)".to_owned());
    }
    let blanked = source::blank(text, language);
    let tests = test_lines(text, &blanked, language);
    let counted = text.lines().count() - tests.iter().map(|(first, last)| last - first + 1).sum::<usize>();
    let allowed = EXEMPT.iter().find(|(exempt, _)| *exempt == file).map_or(FILE_LINES_MAX, |(_, lines)| *lines);
    if counted > allowed {
        offend(1, format!("{counted} lines; at most {allowed}, tests not counted"));
    }
    for function in source::functions(&blanked, language) {
        let in_tests = tests.iter().any(|(first, last)| (*first..=*last).contains(&function.line));
        if function.lines > FUNCTION_LINES_MAX && !in_tests {
            offend(function.line, format!("a function of {} lines; at most {FUNCTION_LINES_MAX}", function.lines));
        }
    }
    offences
}

/// An exemption for a deleted file must be removed too.
pub(crate) fn check_exemptions(files: &[String]) -> Vec<Offence> {
    let stale = EXEMPT.iter().filter(|(exempt, _)| !files.iter().any(|file| file == exempt));
    stale.map(|(file, _)| Offence { file: (*file).to_owned(), line: 1, what: "exempt, but gone".to_owned() }).collect()
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name)
}

/// True for files that contain only tests.
fn is_test(file: &str) -> bool {
    let ends = ["/tests.rs", ".test.ts", ".test.tsx", ".test.mjs"].iter().any(|end| file.ends_with(end));
    let mut folders = file.split('/').rev().skip(1);
    let cargo_tests = folders.next() == Some("tests") && file.ends_with(".rs") && folders.next().is_some();
    ends || cargo_tests
        || ["tests/scenarios/", "tests/browser/scenarios/", "tests/browser/page/"]
            .iter()
            .any(|folder| file.starts_with(folder))
}

fn is_generated(file: &str) -> bool {
    file.ends_with(".gen.ts")
}

/// First and last line of everything compiled only for tests.
fn test_lines(text: &str, blanked: &[char], language: Language) -> Vec<(usize, usize)> {
    if language != Language::Rust {
        return Vec::new();
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut offset = 0;
    for (index, line) in text.lines().enumerate() {
        let first = index + 1;
        let inside = found.last().is_some_and(|(_, last)| first <= *last);
        if line.trim_start().starts_with("#[cfg(test)]") && !inside {
            found.push((first, item_end(blanked, offset)));
        }
        offset += line.chars().count() + 1;
    }
    found
}

/// The last line of the item that begins at `start`: `mod tests;` or `mod tests { … }`.
fn item_end(blanked: &[char], start: usize) -> usize {
    let body = blanked.iter().enumerate().skip(start).find(|(_, c)| matches!(c, '{' | ';'));
    match body {
        Some((at, '{')) => source::line_of(blanked, source::closing(blanked, at)),
        Some((at, _)) => source::line_of(blanked, at),
        None => source::line_of(blanked, blanked.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_count(file: &str, text: &str, expected: usize) {
        let found = check(file, text);
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn a_file_is_as_long_as_what_is_not_test() {
        let long = format!("//! Long.\n{}", "const A: u8 = 1;\n".repeat(FILE_LINES_MAX));
        check_count("a/src/x.rs", &long, 1);
        let tests = "    // A test.\n".repeat(FILE_LINES_MAX);
        let short = format!("//! Short.\nfn a() {{}}\n\n#[cfg(test)]\nmod tests {{\n{tests}}}\n");
        check_count("a/src/x.rs", &short, 0);
    }

    #[test]
    fn a_long_function_is_an_offence_unless_it_tests() {
        let body = "    a();\n".repeat(FUNCTION_LINES_MAX);
        check_count("a/src/x.rs", &format!("//! X.\nfn a() {{\n{body}}}\n"), 1);
        check_count("a/src/x.rs", &format!("//! X.\n#[cfg(test)]\nmod tests {{\nfn a() {{\n{body}}}\n}}\n"), 0);
        check_count("a/tests/x.rs", &format!("//! X.\nfn a() {{\n{body}}}\n"), 0);
        check_count("a/x.ts", &format!("function a() {{\n{body}}}\n"), 1);
        check_count("a/x.test.ts", &format!("function a() {{\n{body}}}\n"), 0);
    }

    #[test]
    fn support_code_of_tests_is_code() {
        let body = "    a();\n".repeat(FUNCTION_LINES_MAX);
        check_count("tests/world/net.rs", &format!("//! X.\nfn a() {{\n{body}}}\n"), 1);
        check_count("tests/load/src/x.rs", &format!("//! X.\nfn a() {{\n{body}}}\n"), 1);
    }

    #[test]
    fn modules_have_names_and_say_what_they_are() {
        check_count("a/src/utils.rs", "//! Everything.\n", 1);
        check_count("a/helpers.ts", "", 1);
        check_count("a/src/x.rs", "fn a() {}\n", 1);
        check_count("a/src/commonality.rs", "//! A thing.\n", 0);
        check_count("a/README.md", "utils", 0);
    }
}
