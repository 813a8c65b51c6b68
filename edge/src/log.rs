//! Structured log lines: one JSON object each, with ids only. Tokens, addresses and session descriptions are never
//! logged.

use serde_json::{Map, Value};

/// Severity: a user would notice (`Info`), look in the morning (`Warn`), an internal error (`Error`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

/// Writes `{"level":…,"event":…,<fields>}`.
pub(crate) fn line(level: Level, event: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
    let text = format(level, event, fields);
    match level {
        Level::Info => worker::console_log!("{text}"),
        Level::Warn => worker::console_warn!("{text}"),
        Level::Error => worker::console_error!("{text}"),
    }
}

fn format(level: Level, event: &str, fields: &[(&str, &dyn std::fmt::Display)]) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut object = Map::new();
    object.insert("level".into(), level.into());
    object.insert("event".into(), event.into());
    for (name, value) in fields {
        object.insert((*name).into(), value.to_string().into());
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_whatever_the_fields_hold() {
        let text = format(Level::Warn, "frame_refused", &[("room", &"a\"\nb"), ("count", &3)]);
        assert_eq!(text, r#"{"count":"3","event":"frame_refused","level":"warn","room":"a\"\nb"}"#);
    }
}
