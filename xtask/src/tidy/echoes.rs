//! Checks that comments do not merely repeat the names beside them.

use super::Offence;
use super::source::{Language, blank_literals};

/// Most lines of a declaration that are read.
const SIGNATURE_LINES_MAX: usize = 8;

/// Words that add nothing to the names beside them.
const EMPTY_WORDS: &str = "a an the of for to in on at by its it is are be was were been has have had do does this that these those \
    and or with from as one whether how many much which what when where who whose whom there their they he his him she her us we our \
    here so such will would can could may if then returns return gets get gives give tells tell says say makes make creates create \
    all each every any something somebody some own also now current new one's kind thing things about been \
    being belong belongs concerned used using known like same here there just while";

/// First words of a thing's bare name.
const ARTICLES: &[&str] = &["a", "an", "its", "one", "the", "this"];

/// A bare name has no more words.
const THING_WORDS_MAX: usize = 3;

/// Words that say the same as a word of the names: each line is one group.
const SYNONYMS: &[&str] = &[
    "add adds push insert take takes accept",
    "address addr",
    "begin begins start starts open",
    "bool flag true false",
    "bytes length size long",
    "change changes update set",
    "check checks validate",
    "count number",
    "delete remove drop forget",
    "end ends stop close finish",
    "error failure fault",
    "folder directory path",
    "instant moment time",
    "list vec slice",
    "message frame",
    "name id",
    "number u8 u16 u32 u64 usize",
    "reason cause",
    "send sends sent tell push",
    "show get read",
    "string text str",
    "time millis duration instant at ms",
    "wait waits pause timeout",
];

/// Endings that distinguish forms of a word.
const ENDINGS: &[&str] = &["", "s", "es", "e", "d", "ed", "ing", "y", "ies", "ied", "er", "ly"];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let Some(language) = Language::of(file) else { return Vec::new() };
    if file.ends_with(".gen.ts") {
        return Vec::new();
    }
    let text = blank_literals(text, language);
    let lines: Vec<&str> = text.lines().collect();
    let comments = comments(&lines);
    let echoes = comments.iter().filter(|comment| is_echo(&comment.text, || names_beside(&lines, comment)));
    let offence = |comment: &Comment| {
        let what = format!("\"{}\" repeats the names beside it: state a fact, or delete it", comment.text.trim());
        Offence { file: file.to_owned(), line: comment.first + 1, what }
    };
    echoes.map(offence).collect()
}

/// Lines counted from 0.
struct Comment {
    first: usize,
    /// The line with the code that it stands beside.
    code: usize,
    text: String,
}

fn comments(lines: &[&str]) -> Vec<Comment> {
    let mut found: Vec<Comment> = Vec::new();
    let mut block = None;
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim();
        let (mark, text) = match block {
            Some(mark) => (mark, line.trim_start_matches("* ")),
            None => match ["///", "//", "/**"].iter().find_map(|mark| Some((*mark, line.strip_prefix(mark)?))) {
                // Modules and rules are drawn with these.
                Some((_, text)) if text.starts_with(['/', '!']) => continue,
                Some(whole) => whole,
                None => {
                    found.extend(line.split_once("// ").map(|(_, text)| Comment {
                        first: at,
                        code: at,
                        text: text.to_owned(),
                    }));
                    continue;
                }
            },
        };
        let is_continued = block.is_some() || mark != "/**";
        block = (mark == "/**" && !text.ends_with("*/")).then_some(mark);
        let text = text.trim_end_matches("*/");
        match found.last_mut().filter(|before| is_continued && before.code == at) {
            Some(before) => {
                before.code = at + 1;
                before.text.push(' ');
                before.text.push_str(text);
            }
            None => found.push(Comment { first: at, code: at + 1, text: text.to_owned() }),
        }
    }
    found
}

/// The words of the declaration below a comment, and of the line that opens the surrounding block.
fn names_beside(lines: &[&str], comment: &Comment) -> Vec<String> {
    let declaration = lines.iter().skip(comment.code).skip_while(|line| line.trim_start().starts_with("#["));
    let mut signature = String::new();
    for line in declaration.take(SIGNATURE_LINES_MAX) {
        let line = line.split("// ").next().unwrap_or_default().trim_end();
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

/// True if a text has only words of the names, or names a thing with one further word. Figures, code, links and
/// references are facts.
fn is_echo(text: &str, names: impl FnOnce() -> Vec<String>) -> bool {
    if text.contains(|c: char| c.is_ascii_digit() || "`[§\"".contains(c)) {
        return false;
    }
    let words = split(text);
    let is_thing = words.first().is_some_and(|first| ARTICLES.contains(&first.as_str()));
    let news_max = usize::from(is_thing && words.len() <= THING_WORDS_MAX);
    let is_empty = |word: &&String| EMPTY_WORDS.split_whitespace().any(|empty| empty == word.as_str());
    let names = names();
    words.iter().filter(|word| !is_empty(word) && !is_in(&names, word)).nth(news_max).is_none()
}

/// True if a form or a synonym of the word is one of the names.
fn is_in(names: &[String], word: &str) -> bool {
    let has = |group: &str, one: &str| group.split_whitespace().any(|other| are_forms(one, other));
    names.iter().any(|name| are_forms(name, word))
        || SYNONYMS.iter().any(|group| has(group, word) && names.iter().any(|name| has(group, name)))
}

/// The words of a text in lower case; `SomeName` and `some_name` have two each.
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

/// True if two words are forms of one, such as `close` and `closing`.
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
        check_rust("////// rooms\npub room: RoomId,\n", false);
        assert!(check("a.md", "/// The room.\nroom\n").is_empty());
        assert!(check("a.gen.ts", "/** The room. */\nroom: Room;\n").is_empty());
    }

    #[test]
    fn every_kind_of_comment_is_read() {
        check_rust("// The room.\npub room: RoomId,\n", true);
        check_rust("pub room: RoomId, // The room.\n", true);
        check_rust("pub room: RoomId, // Newest first.\n", false);
        check_rust("let text = \"// The text.\";\n", false);
        assert_eq!(check("a.ts", "/**\n * Closes\n * the session.\n */\ncloseSession(): void {\n").len(), 1);
        assert!(check("a.ts", "/**\n * Closes\n * the session twice.\n */\ncloseSession(): void {\n").is_empty());
    }

    #[test]
    fn synonyms_and_bare_names_are_echoes() {
        for echo in [
            "/// Its thread.\nthread: JoinHandle<()>,\n",
            "/// The socket.\nsocket: UdpSocket,\n",
            "/// The new state.\nstate: RecordingState,\n",
            "/// Its capacity.\nsessions_max: u32,\n",
            "/// One published track.\nstruct Published {\n",
            "/// Drops the viewer.\nfn remove_viewer(&mut self) {\n",
            "/// True while it is closing.\nis_closing: bool,\n",
            "enum Ending {\n    /// The edge refused.\n    Refused,\n",
        ] {
            check_rust(echo, true);
        }
    }

    #[test]
    fn few_words_may_state_a_fact() {
        for fact in [
            "/// Idempotent.\nfn close(&mut self) {\n",
            "/// Newest first.\nrecordings: Vec<Recording>,\n",
            "/// `None` on the last page.\nnext: Option<Cursor>,\n",
            "/// In milliseconds since the epoch.\nat: u64,\n",
            "/// Not sorted.\ntracks: Vec<Track>,\n",
            "/// Only in tests.\nfn session() -> Session {\n",
            "// Assumed, because no frame follows.\nlet duration = FRAME;\n",
            "/// The socket, until the room is empty.\nsocket: UdpSocket,\n",
        ] {
            check_rust(fact, false);
        }
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
