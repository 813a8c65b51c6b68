//! Checks prose for vague pronouns: name `the client`, `a participant`, `the caller`.

use super::Offence;
use super::source::Language;

/// Pronouns that hide who acts, each in lower case.
const VAGUE: &[&str] = &["whoever", "whomever", "whosever", "somebody", "someone"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let is_markdown = file.ends_with(".md");
    if !is_markdown && Language::of(file).is_none() {
        return Vec::new();
    }
    let mut offences = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(prose) = (if is_markdown { Some(line) } else { comment(line) }) else { continue };
        let lower = prose.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphabetic());
        if let Some(word) = words.find(|word| VAGUE.contains(word)) {
            let what = format!("\"{word}\" hides who acts: name the client, the participant, the caller");
            offences.push(Offence { file: file.to_owned(), line: at + 1, what });
        }
    }
    offences
}

fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ["//", "/*", "* "].iter().any(|start| line.starts_with(start)).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(file: &str, text: &str, expected: &[usize]) {
        let lines: Vec<usize> = check(file, text).iter().map(|offence| offence.line).collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn comments_and_pages_name_who_acts() {
        check_lines("a/x.rs", "/// Whoever calls.\nfn a() {} // Fine.\n    // If somebody's there.\n", &[1, 3]);
        check_lines("a/x.ts", "/**\n * Tells someone.\n */\n", &[2]);
        check_lines("README.md", "For whoever.\nFor everybody.\n", &[1]);
    }

    #[test]
    fn what_a_program_says_is_another_matter() {
        check_lines("a/x.rs", "const A: &str = \"somebody\";\n", &[]);
        check_lines("a/x.json", "// somebody", &[]);
    }
}
