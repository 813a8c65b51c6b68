//! Rules for text that people see: names, reasons, metadata, chat.
//!
//! Text must not contain control characters, which break lines and terminals, nor bidirectional embeddings, overrides
//! or isolates, which let a name imitate another one or reverse the text beside it. Optional text may be empty but not
//! blank, because invisible characters alone look like nothing. Room names and ids are stricter, see [`crate::ids`].

use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    Name,
    Reason,
    ParticipantMetadata,
    RoomMetadata,
    Chat,
}

struct Rule {
    length: Length,
    most: usize,
    controls: &'static [(char, char)],
    may_be_empty: bool,
}

#[derive(Clone, Copy)]
enum Length {
    Chars,
    Bytes,
}

impl Length {
    fn of(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Bytes => text.len(),
        }
    }
}

/// The ways a field can be invalid, in the order of [`Text::messages`].
enum Fault {
    TooLong,
    Blank,
    Control,
    Bidirectional,
}

macro_rules! messages {
    ($field:literal) => {
        [
            concat!($field, " is too long"),
            concat!($field, " is blank"),
            concat!($field, " has control characters"),
            concat!($field, " has bidirectional embeddings, overrides or isolates"),
        ]
    };
}

impl Text {
    /// Checks a text; the error names the field and the problem.
    pub fn check(self, text: &str) -> Result<(), &'static str> {
        let [too_long, blank, control, bidirectional] = self.messages();
        match self.fault(text) {
            None => Ok(()),
            Some(Fault::TooLong) => Err(too_long),
            Some(Fault::Blank) => Err(blank),
            Some(Fault::Control) => Err(control),
            Some(Fault::Bidirectional) => Err(bidirectional),
        }
    }

    fn fault(self, text: &str) -> Option<Fault> {
        let rule = self.rule();
        if rule.length.of(text) > rule.most {
            return Some(Fault::TooLong);
        }
        if text.is_empty() && rule.may_be_empty {
            return None;
        }
        if text.chars().any(|c| is_in(rule.controls, c)) {
            return Some(Fault::Control);
        }
        if text.chars().any(|c| is_in(&BIDIRECTIONAL, c)) {
            return Some(Fault::Bidirectional);
        }
        text.chars().all(|c| is_in(&WHITESPACE, c) || is_in(&INVISIBLE, c)).then_some(Fault::Blank)
    }

    fn rule(self) -> Rule {
        let line = |most| Rule { length: Length::Chars, most, controls: &CONTROLS, may_be_empty: true };
        let lines = |most| Rule { controls: &CONTROLS_BESIDE_LINES, ..line(most) };
        match self {
            Self::Name => line(limits::NAME_CHARS_MAX),
            Self::Reason => line(limits::REASON_CHARS_MAX),
            Self::ParticipantMetadata => lines(limits::PARTICIPANT_METADATA_CHARS_MAX),
            Self::RoomMetadata => lines(limits::ROOM_METADATA_CHARS_MAX),
            Self::Chat => Rule { length: Length::Bytes, may_be_empty: false, ..lines(limits::CHAT_TEXT_BYTES_MAX) },
        }
    }

    const fn messages(self) -> [&'static str; 4] {
        match self {
            Self::Name => messages!("name"),
            Self::Reason => messages!("reason"),
            Self::ParticipantMetadata | Self::RoomMetadata => messages!("metadata"),
            Self::Chat => messages!("text"),
        }
    }
}

type Ranges<const N: usize> = [(char, char); N];

/// Unicode's category Cc, and the separators of lines and paragraphs.
const CONTROLS: Ranges<3> = [('\0', '\u{1f}'), ('\u{7f}', '\u{9f}'), ('\u{2028}', '\u{2029}')];

/// The control characters except line feeds and tabs.
const CONTROLS_BESIDE_LINES: Ranges<4> =
    [('\0', '\u{8}'), ('\u{b}', '\u{1f}'), ('\u{7f}', '\u{9f}'), ('\u{2028}', '\u{2029}')];

/// Embeddings, overrides, isolates, and their terminators (UAX #9).
const BIDIRECTIONAL: Ranges<2> = [('\u{202a}', '\u{202e}'), ('\u{2066}', '\u{2069}')];

/// Unicode's `White_Space`.
const WHITESPACE: Ranges<10> = [
    ('\t', '\r'),
    (' ', ' '),
    ('\u{85}', '\u{85}'),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
];

/// Characters that are invisible by themselves: Unicode's `Default_Ignorable_Code_Point`, and the empty Braille
/// pattern.
const INVISIBLE: Ranges<18> = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

fn is_in(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// The rule as JSON Schema, for fields that may be empty; the pattern is an ECMA-262 regular expression with the flag
/// `u`.
#[cfg(feature = "openapi")]
pub mod schema {
    use super::{BIDIRECTIONAL, INVISIBLE, Text, WHITESPACE};
    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde_json::{Value, json};

    pub fn name(_: &mut SchemaGenerator) -> Schema {
        of(json!("string"), Text::Name)
    }

    pub fn optional_name(_: &mut SchemaGenerator) -> Schema {
        of(json!(["string", "null"]), Text::Name)
    }

    pub fn reason() -> Schema {
        of(json!("string"), Text::Reason)
    }

    pub fn optional_reason(_: &mut SchemaGenerator) -> Schema {
        of(json!(["string", "null"]), Text::Reason)
    }

    pub fn optional_participant_metadata(_: &mut SchemaGenerator) -> Schema {
        of(json!(["string", "null"]), Text::ParticipantMetadata)
    }

    pub fn optional_room_metadata(_: &mut SchemaGenerator) -> Schema {
        of(json!(["string", "null"]), Text::RoomMetadata)
    }

    fn of(kind: Value, field: Text) -> Schema {
        let rule = field.rule();
        let refused = class(rule.controls) + &class(&BIDIRECTIONAL);
        let blank = class(&WHITESPACE) + &class(&INVISIBLE);
        json_schema!({
            "type": kind,
            "maxLength": rule.most,
            "not": { "type": "string", "pattern": format!("[{refused}]|^[{blank}]+$") },
        })
    }

    /// The inside of a regular expression's character class.
    fn class(ranges: &[(char, char)]) -> String {
        let escaped = |c: char| match u32::from(c) {
            code @ 0..=0xffff => format!("\\u{code:04x}"),
            _ => c.to_string(),
        };
        let range = |(first, last): &(char, char)| {
            if first == last { escaped(*first) } else { format!("{}-{}", escaped(*first), escaped(*last)) }
        };
        ranges.iter().map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Text; 5] = [Text::Name, Text::Reason, Text::ParticipantMetadata, Text::RoomMetadata, Text::Chat];

    fn check(text: &str, expected: Option<&str>) {
        for field in ALL {
            let found = field.check(text).err();
            assert_eq!(
                found.map(|found| found.split_once(' ').expect("a valid value").1),
                expected,
                "{field:?}: {text:?}"
            );
        }
    }

    #[test]
    fn whitespace_is_what_unicode_says() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_in(&WHITESPACE, c), c.is_whitespace(), "{c:?}");
            assert_eq!(is_in(&CONTROLS, c), c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), "{c:?}");
        }
    }

    #[test]
    fn what_people_write_is_text() {
        for text in [
            "Ada",
            "Ada Lovelace \u{1f44b}\u{1f3fd}",
            "عدا \u{200f}(x)",
            "נ\u{200e}",
            "e\u{301}",
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            " a ",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn nothing_breaks_lines_turns_text_round_or_poses_as_text() {
        for text in ["a\0b", "a\u{7f}", "a\u{85}b", "a\u{1b}[31m", "a\rb", "a\u{2028}b"] {
            check(text, Some("has control characters"));
        }
        for text in ["a\u{202e}b", "\u{202a}a\u{202c}", "a\u{2066}b\u{2069}", "\u{2068}"] {
            check(text, Some("has bidirectional embeddings, overrides or isolates"));
        }
        for text in
            [" ", "\u{a0}\u{3000}", "\u{200b}", "\u{200d}\u{2060}\u{feff}", "\u{3164}", "\u{2800} \u{ad}", "\u{e0041}"]
        {
            check(text, Some("is blank"));
        }
    }

    #[test]
    fn only_what_is_shown_in_lines_has_lines() {
        for (field, text, expected) in [
            (Text::Chat, "hello\n\tthere", Ok(())),
            (Text::RoomMetadata, "{\n\t\"a\": 1\n}", Ok(())),
            (Text::Name, "a\nb", Err("name has control characters")),
            (Text::Reason, "a\tb", Err("reason has control characters")),
            (Text::Chat, "\n\t", Err("text is blank")),
        ] {
            assert_eq!(field.check(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_a_chat_message_must_not_be_empty() {
        for field in ALL {
            assert_eq!(field.check("").is_ok(), field != Text::Chat, "{field:?}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        for (field, most) in [
            (Text::Name, limits::NAME_CHARS_MAX),
            (Text::Reason, limits::REASON_CHARS_MAX),
            (Text::ParticipantMetadata, limits::PARTICIPANT_METADATA_CHARS_MAX),
            (Text::RoomMetadata, limits::ROOM_METADATA_CHARS_MAX),
        ] {
            assert_eq!(field.check(&"😀".repeat(most)), Ok(()), "{field:?}");
            assert!(field.check(&"a".repeat(most + 1)).expect_err("too long").ends_with("too long"), "{field:?}");
        }
        assert_eq!(Text::Chat.check(&"x".repeat(limits::CHAT_TEXT_BYTES_MAX)), Ok(()));
        assert_eq!(Text::Chat.check(&"x".repeat(limits::CHAT_TEXT_BYTES_MAX + 1)), Err("text is too long"));
    }
}
