//! Checks names and prose for vague pronouns: name `the client`, `a participant`, `the caller`.

use super::Offence;
use super::source::{self, Language};

/// Pronouns that hide who acts, each in lower case.
const VAGUE: &[&str] = &["whoever", "whomever", "whosever", "somebody", "someone"];
/// A comment is no question: it names the thing (`The reason …`, `Participants whose …`).
const ASKING: &[&str] = &["who", "whom", "whose", "why"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let language = Language::of(file);
    if language.is_none() && !file.ends_with(".md") {
        return Vec::new();
    }
    let text = language.map_or_else(|| text.to_owned(), |language| source::blank_literals(text, language));
    let mut offences = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let vague = words(line).into_iter().find(|word| VAGUE.contains(&word.as_str()));
        let asking = language.and_then(|_| first_of_comment(line)).filter(|word| ASKING.contains(&word.as_str()));
        let what = match (vague, asking) {
            (Some(word), _) => format!("\"{word}\" hides who acts: name the client, the participant, the caller"),
            (None, Some(word)) => format!("a comment that begins with \"{word}\" is a question: name the thing"),
            (None, None) => continue,
        };
        offences.push(Offence { file: file.to_owned(), line: at + 1, what });
    }
    offences
}

/// Lower-case words of prose and of names, `snake_case` and `camelCase` taken apart.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in line.chars() {
        if !letter.is_alphabetic() || letter.is_uppercase() && after_small {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            words.last_mut().expect("there is one from the start").extend(letter.to_lowercase());
        }
        after_small = letter.is_lowercase();
    }
    words
}

fn first_of_comment(line: &str) -> Option<String> {
    let line = line.trim_start();
    let starts = ["///", "//!", "//", "/**", "/*", "* "];
    let prose = starts.iter().find_map(|start| line.strip_prefix(start))?;
    words(prose.trim_start()).into_iter().next()
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
        check_lines("a/x.rs", "fn a() {} // Tells someone.\n", &[1]);
        check_lines("a/x.ts", "/**\n * Tells someone.\n */\n", &[2]);
        check_lines("README.md", "For whoever.\nFor everybody.\n", &[1]);
    }

    #[test]
    fn names_name_who_acts() {
        check_lines("a/x.rs", "fn whoever_joins_is_seen() {}\nfn a(somebody: u8) {}\n", &[1, 2]);
        check_lines("a/x.ts", "const someoneElse = 1;\nconst everyoneElse = 1;\n", &[1]);
    }

    #[test]
    fn comments_ask_nothing() {
        check_lines("a/x.rs", "/// Why it failed.\n//! Whose is it?\n// The reason why.\n", &[1, 2]);
        check_lines("a/x.ts", "/** Who waits. */\n * Whole rooms.\n", &[1]);
        check_lines("README.md", "Why it works\n", &[]);
    }

    #[test]
    fn what_a_program_says_is_another_matter() {
        check_lines("a/x.rs", "const A: &str = \"somebody\";\n", &[]);
        check_lines("a/x.json", "// somebody", &[]);
    }
}
