//! Checks names and prose for vague pronouns: name `the client`, `a participant`, `the caller`.

use super::Offence;
use super::source::{self, Language};

/// Pronouns that hide who acts, each in lower case.
const VAGUE: &[&str] = &["whoever", "whomever", "whosever", "somebody", "someone"];
/// First words of fragments: a comment is a sentence or a noun phrase (`The reason …`, `True if …`, `Set once …`).
const ASKING: &[&str] = &["how", "what", "when", "whether", "who", "whom", "whose", "why"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let language = Language::of(file);
    let has_hashes = [".toml", ".tf", ".hcl"].iter().any(|ending| file.ends_with(ending));
    if language.is_none() && !has_hashes && !file.ends_with(".md") {
        return Vec::new();
    }
    // Strings of settings and of Terraform are descriptions for people.
    let text = language.map_or_else(|| text.to_owned(), |language| source::blank_literals(text, language));
    let mut offences = Vec::new();
    let mut before = None;
    for (at, line) in text.lines().enumerate() {
        let vague = words(line).into_iter().find(|word| VAGUE.contains(&word.as_str()));
        let prose = match language {
            Some(_) => Prose::of(line),
            None if has_hashes => Prose::behind_hash(line),
            None => None,
        };
        let first =
            prose.filter(|prose| !prose.continues(before)).and_then(|prose| words(prose.text).into_iter().next());
        let asking = first.filter(|word| ASKING.contains(&word.as_str()));
        let what = match (vague, asking) {
            (Some(word), _) => Some(format!("\"{word}\" hides who acts: name the client, the participant, the caller")),
            (None, Some(word)) => Some(format!("a comment that begins with \"{word}\" is a fragment: name the thing")),
            (None, None) => None,
        };
        offences.extend(what.map(|what| Offence { file: file.to_owned(), line: at + 1, what }));
        before = prose;
    }
    offences
}

/// The marks of comments, the longer ones first.
const MARKS: &[&str] = &["///", "//!", "//", "/**", "/*", "* "];

/// A line's comment.
#[derive(Clone, Copy)]
struct Prose<'a> {
    mark: &'static str,
    text: &'a str,
    /// True if it stands behind code on its line.
    is_behind_code: bool,
}

impl<'a> Prose<'a> {
    /// `line` must be without literals.
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim();
        let whole = MARKS.iter().find_map(|mark| Some((*mark, line.strip_prefix(mark)?, false)));
        let behind = || ["//", "/*"].iter().find_map(|mark| Some((*mark, line.split_once(mark)?.1, true)));
        let (mark, text, is_behind_code) = whole.or_else(behind)?;
        Some(Self { mark, text: text.trim_start_matches(['*', '/', '!', ' ']), is_behind_code })
    }

    /// In TOML and Terraform.
    fn behind_hash(line: &'a str) -> Option<Self> {
        let line = line.trim();
        let whole = line.strip_prefix('#').map(|text| (text, false));
        let (text, is_behind_code) = whole.or_else(|| Some((line.split_once(" # ")?.1, true)))?;
        Some(Self { mark: "#", text: text.trim_start(), is_behind_code })
    }

    /// True if the comment on the line before goes on here.
    fn continues(&self, before: Option<Self>) -> bool {
        let is_empty_opening = |before: &Self| matches!(before.mark, "/**" | "/*") && before.text.is_empty();
        let is_block = |mark| matches!(mark, "/**" | "/*" | "* ");
        before
            .filter(|before| !before.is_behind_code && !self.is_behind_code && !is_empty_opening(before))
            .is_some_and(|before| before.mark == self.mark || (self.mark == "* " && is_block(before.mark)))
    }
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
    fn comments_are_no_fragments_of_questions() {
        check_lines("a/x.rs", "/// Why it failed.\n//! Whose is it?\n// The reason why.\n", &[1, 2]);
        check_lines("a/x.ts", "/** Who waits. */\n * Whole rooms.\n", &[1]);
        check_lines("README.md", "Why it works\n", &[]);
        for fragment in [
            "/// Whether there may be more.",
            "/// When it is full again.",
            "/// What the keys of TURN nodes begin with.",
            "/// How many nodes of one region.",
            "let is_full = true; // When the room is.",
        ] {
            check_lines("a/x.rs", fragment, &[1]);
        }
        check_lines("a/x.tsx", "<p>{/* What follows. */}</p>\n/**\n * How it is drawn.\n */\n", &[1, 3]);
    }

    #[test]
    fn such_words_may_stand_inside_a_comment() {
        for comment in [
            "/// True if the node can take another room.",
            "/// Waits, unless the edge says\n/// when it comes.",
            "/**\n * The reason, and\n * what it means.\n */",
            "/// However it ends.\n///\n/// Whatever.",
            "const A: &str = \"// When\";",
            "let a = b; // Whenever it is so.",
        ] {
            check_lines("a/x.rs", comment, &[]);
        }
        check_lines("a/x.rs", "let a = 1; // The one.\n// What follows.\n", &[2]);
    }

    #[test]
    fn settings_and_terraform_are_read_too() {
        check_lines("a.toml", "# What it is.\na = 1 # When it is.\n# It says\n# what it is.\n", &[1, 2]);
        check_lines("a.tf", "# Why.\nvariable \"a\" {\n  description = \"For whoever.\"\n}\n", &[1, 3]);
        check_lines("a.tftest.hcl", "# Somebody.\n", &[1]);
        check_lines("a.toml", "what = \"the # of rows\"\n", &[]);
    }

    #[test]
    fn what_a_program_says_is_another_matter() {
        check_lines("a/x.rs", "const A: &str = \"somebody\";\n", &[]);
        check_lines("a/x.json", "// somebody", &[]);
    }
}
