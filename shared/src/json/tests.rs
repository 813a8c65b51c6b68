use super::{Document, from_str, tagged};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Outer {
    number: u16,
    #[serde(default)]
    flag: bool,
    share: Option<f32>,
    texts: Vec<String>,
    pair: (i8, Option<String>),
    by_number: BTreeMap<u64, Kind>,
    message: Option<Message>,
    wrapped: Wrapped,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(i64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    Like(u8, String),
    Named { name: String },
    Holding(Wrapped),
}

#[tagged("type")]
#[derive(Debug, PartialEq)]
enum Message {
    /// Documentation, which is left out.
    Say {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u8>,
    },
    Change {
        of: u8,
        #[serde(flatten)]
        change: Change,
    },
    Holds(Change),
    Nothing {},
    Unit,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Change {
    name: Option<String>,
    size: u32,
}

const OUTER: &str = r#"{
    "number": 65535, "flag": true, "share": 1, "texts": ["", "a\n\u00e4\ud83d\ude00", "ä"], "pair": [-128, null],
    "by_number": {"0": "plain", "18446744073709551615": {"like": [1, "x"]}, "7": {"named": {"name": "y"}},
        "8": {"holding": -9223372036854775808}},
    "message": {"size": 3, "type": "change", "name": "z", "of": 2, "more": [[{}]]}, "wrapped": 0, "more": {"a": {}}
}"#;

fn outer() -> Outer {
    Outer {
        number: u16::MAX,
        flag: true,
        share: Some(1.0),
        texts: vec![String::new(), "a\nä😀".into(), "ä".into()],
        pair: (-128, None),
        by_number: BTreeMap::from([
            (0, Kind::Plain),
            (u64::MAX, Kind::Like(1, "x".into())),
            (7, Kind::Named { name: "y".into() }),
            (8, Kind::Holding(Wrapped(i64::MIN))),
        ]),
        message: Some(Message::Change { of: 2, change: Change { name: Some("z".into()), size: 3 } }),
        wrapped: Wrapped(0),
    }
}

#[test]
fn reads_what_serde_json_reads() {
    assert_eq!(from_str::<Outer>(OUTER).expect("readable"), outer());
    assert_eq!(serde_json::from_str::<Outer>(OUTER).expect("readable"), outer());
    let written = serde_json::to_string(&outer()).expect("JSON");
    assert_eq!(from_str::<Outer>(&written).expect("readable"), outer());
}

fn check(message: Message, text: &str) {
    assert_eq!(serde_json::to_string(&message).expect("JSON"), text);
    assert_eq!(super::message::<Message>(text).expect("readable"), message);
    assert_eq!(from_str::<Message>(text).expect("readable"), message);
    assert_eq!(serde_json::from_str::<Message>(text).expect("readable"), message);
}

#[test]
fn messages_name_their_type_inside() {
    check(Message::Say { text: "a".into(), to: None }, r#"{"type":"say","text":"a"}"#);
    check(Message::Change { of: 1, change: Change::default() }, r#"{"type":"change","of":1,"name":null,"size":0}"#);
    check(Message::Holds(Change { name: None, size: 1 }), r#"{"type":"holds","name":null,"size":1}"#);
    check(Message::Nothing {}, r#"{"type":"nothing"}"#);
    check(Message::Unit, r#"{"type":"unit"}"#);
}

fn check_refused<T: for<'de> Deserialize<'de> + Debug>(text: &str, expected: &str) {
    let error = from_str::<T>(text).expect_err(text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn says_what_is_wrong() {
    check_refused::<Message>("{}", "missing field `type`");
    check_refused::<Message>(r#"{"type":"sing"}"#, "unknown variant `sing`");
    check_refused::<Message>(r#"{"type":"unit","type":"unit"}"#, "duplicate field `type`");
    check_refused::<Message>(r#"{"type":"say"}"#, "missing field `text`");
    check_refused::<Message>(r#"{"type":"say","text":"a","text":"b"}"#, "duplicate field `text`");
    check_refused::<Message>(r#"{"type":"say","text":null}"#, "invalid type: null, expected a string");
    check_refused::<Message>(r#"{"type":"say","text":"","to":256}"#, "invalid value: integer `256`, expected u8");
    check_refused::<Message>(r#"["say","a"]"#, "invalid type: sequence, expected an object");
    check_refused::<Message>(r#"{"type":"change","of":1,"$whole":{}}"#, "duplicate field `$whole`");
    check_refused::<Change>(r#"[null, 3]"#, "invalid type: sequence, expected struct Change");
    check_refused::<Change>(r#"{"size":1.0}"#, "invalid type: floating point `1.0`, expected u32");
    check_refused::<Change>("{} {}", "trailing characters");
    check_refused::<Change>("{", "EOF");
    check_refused::<(u8, u8)>("[1,2,3]", "too long");
    check_refused::<(u8, u8)>("[1]", "invalid length 1");
    check_refused::<BTreeMap<u64, u8>>(r#"{"a":1}"#, "invalid type: string \"a\", expected u64");
    check_refused::<Kind>(r#"{"plain":1}"#, "expected unit variant");
    check_refused::<Kind>(r#"{"named":{"name":"a"},"plain":null}"#, "expected enum Kind");
}

#[test]
fn depth_costs_no_stack_and_refuses_nothing_else() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let change = from_str::<Change>(&format!(r#"{{"more":{deep},"size":2}}"#)).expect("readable");
    assert_eq!(change, Change { name: None, size: 2 });
    check_refused::<Vec<Change>>(&deep, "invalid type: sequence");
}

#[test]
fn whole_numbers_become_integers_on_request() {
    for (text, expected) in [("2.0", Some(2)), ("2e2", Some(200)), ("1.5", None), ("1e300", None), ("-1.0", None)] {
        let text = format!(r#"{{"size":{text}}}"#);
        let mut document = Document::parse(&text).expect("JSON");
        assert!(Change::deserialize(document.reader()).is_err(), "{text}");
        document.make_integers();
        assert_eq!(Change::deserialize(document.reader()).ok().map(|change| change.size), expected, "{text}");
    }
}

/// serde lists other names among the fields, which would change their places.
#[test]
fn no_field_has_another_name() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut folders = ["shared/src", "edge/src", "edge/core/src"].map(|name| root.join(name)).to_vec();
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("part of the repository").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let is_attribute = |line: &str| line.trim_start().starts_with("#[serde(");
                let renamed = text.lines().find(|line| is_attribute(line) && line.contains("alias"));
                assert_eq!(renamed, None, "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 100, "{read} files");
}
