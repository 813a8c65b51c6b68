//! Checks that doc comments do not merely repeat the names beside them.

use super::Offence;
use super::source::Language;

/// Most lines of a declaration that are read.
const SIGNATURE_LINES_MAX: usize = 8;

/// Words that state nothing beside the names they stand with.
const EMPTY_WORDS: &str = "a an the of for to in on at by its it is are be was were been has have had do does this that these those \
    and or with from as one whether how many much which what when where who whose whom there their they he his him she her us we our \
    here so such will would can could may if then returns return gets get gives give tells tell says say makes make creates create \
    all each every any something somebody";

/// Endings that make other forms of a word.
const ENDINGS: &[&str] = &["", "s", "es", "e", "d", "ed", "ing", "y", "ies", "ied", "er", "ly"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    if file.ends_with(".gen.ts") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let comments = comments(&lines, language);
    let echoes = comments.iter().filter(|comment| is_echo(&comment.text, &names_beside(&lines, comment)));
    let offence = |comment: &Comment| {
        let what = format!("\"{}\" repeats the names beside it: state a fact, or delete it", comment.text.trim());
        Offence { file: file.to_owned(), line: comment.first + 1, what }
    };
    echoes.map(offence).collect()
}

/// A doc comment: its lines, counted from 0, and its text.
struct Comment {
    first: usize,
    /// The line behind it.
    end: usize,
    text: String,
}

fn comments(lines: &[&str], language: Language) -> Vec<Comment> {
    let mut found: Vec<Comment> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        let text = match language {
            Language::Rust => line.strip_prefix("///").filter(|rest| !rest.starts_with('/')),
            Language::TypeScript => line.strip_prefix("/**").and_then(|rest| rest.trim_end().strip_suffix("*/")),
        };
        let Some(text) = text else { continue };
        match found.last_mut().filter(|before| before.end == at && language == Language::Rust) {
            Some(before) => {
                before.end = at + 1;
                before.text.push_str(text);
            }
            None => found.push(Comment { first: at, end: at + 1, text: text.to_owned() }),
        }
    }
    found
}

/// The words of the declaration behind a comment, and of the line that opens the block around it.
fn names_beside(lines: &[&str], comment: &Comment) -> Vec<String> {
    let declaration = lines.iter().skip(comment.end).skip_while(|line| line.trim_start().starts_with("#["));
    let mut signature = String::new();
    for line in declaration.take(SIGNATURE_LINES_MAX) {
        let code = line.split(" {").next().unwrap_or_default();
        signature.push_str(code);
        signature.push(' ');
        let is_open = signature.matches('(').count() > signature.matches(')').count();
        if code.len() < line.len() || (line.ends_with([';', ',', '{']) && !is_open) {
            break;
        }
    }
    let indent = lines.get(comment.first).map_or(0, |line| indent(line));
    let before = lines.iter().take(comment.first).rev();
    let around = before.filter(|line| !line.trim().is_empty()).find(|line| indent > self::indent(line));
    let mut names = split(&signature);
    names.extend(split(around.filter(|line| line.ends_with('{')).unwrap_or(&"")));
    names
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a text has no word but those of the names. Figures, code, links and references are facts.
fn is_echo(text: &str, names: &[String]) -> bool {
    let is_empty = |word: &str| EMPTY_WORDS.split_whitespace().any(|empty| empty == word);
    let is_known = |word: &String| is_empty(word) || names.iter().any(|name| are_forms(name, word));
    !text.contains(|c: char| c.is_ascii_digit() || "`[§\"".contains(c)) && split(text).iter().all(is_known)
}

/// The words of a text in lower case; those of `SomeName` and `some_name` are two each.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in text.chars() {
        let begins = !before.is_alphabetic() || (before.is_lowercase() && c.is_uppercase());
        if c.is_alphabetic() {
            match words.last_mut().filter(|_| !begins) {
                Some(word) => word.extend(c.to_lowercase()),
                None => words.push(c.to_lowercase().collect()),
            }
        }
        before = c;
    }
    words
}

/// Whether two words are forms of one, such as `close` and `closing`.
fn are_forms(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let is_ending = |word: &str| word.get(same..).is_some_and(|rest| ENDINGS.contains(&rest));
    one == other || (same >= 3 && is_ending(one) && is_ending(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_rust(text: &str, is_offence: bool) {
        assert_eq!(check("a/src/x.rs", text).len(), usize::from(is_offence), "{text}");
    }

    #[test]
    fn a_comment_that_repeats_the_names_is_an_offence() {
        check_rust("/// The room.\npub room: RoomId,\n", true);
        check_rust("/// Which.\nid: TrackId,\n", true);
        check_rust("/// Closes the session.\n#[must_use]\npub fn close(&mut self, session: &SessionId) {\n", true);
        check_rust("struct Datagram {\n    /// Bytes of\n    /// the datagram.\n    bytes: Vec<u8>,\n}\n", true);
        assert_eq!(check("a.ts", "/** Whether it is muted. */\nisMuted: boolean;\n").len(), 1);
    }

    #[test]
    fn a_comment_that_states_a_fact_is_none() {
        check_rust("/// The room, once it is known.\npub room: Option<RoomId>,\n", false);
        check_rust("/// RFC 8445 §6.1.\nfn role(&self) -> Role {\n", false);
        check_rust("/// The rooms of `main`.\npub rooms: Rooms,\n", false);
        check_rust("/// A connection, and then another.\nfn x() {\n    connection();\n", false);
        check_rust("// The room.\npub room: RoomId,\n", false);
        check_rust("////// rooms\npub room: RoomId,\n", false);
        assert!(check("a.md", "/// The room.\nroom\n").is_empty());
        assert!(check("a.gen.ts", "/** The room. */\nroom: Room;\n").is_empty());
    }

    #[test]
    fn forms_of_a_word_are_the_word() {
        for (one, other) in [("close", "closing"), ("packet", "packets"), ("reply", "replies"), ("a", "a")] {
            assert!(are_forms(one, other), "{one} {other}");
        }
        for (one, other) in [("is", "it"), ("sent", "sender"), ("record", "reconnect"), ("no", "now")] {
            assert!(!are_forms(one, other), "{one} {other}");
        }
    }
}
