//! A node's settings: flags, then environment, then defaults, parsed once at startup; all mistakes are reported
//! together.

use shared::limits;
use std::fmt::Display;
use std::str::FromStr;
use tokio_tungstenite::tungstenite::http::Uri;

/// Format and filter of log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    pub format: LogFormat,
    /// `info`, or directives such as `info,media_node=debug` (`tracing_subscriber::filter::Targets`).
    pub filter: String,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A secret text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Scheme (`ws` or `wss`) and authority of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeUrl(String);

impl EdgeUrl {
    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Like [`Self::join`], with `http` or `https` as the scheme.
    #[must_use]
    pub fn join_http(&self, path: &str) -> String {
        // `ws` and `wss` become `http` and `https`.
        format!("http{}{path}", self.0.strip_prefix("ws").unwrap_or(&self.0))
    }

    /// Reads `wss://host` or `ws://host:port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        let scheme = match uri.scheme_str() {
            Some("ws" | "http") => "ws",
            Some("wss" | "https") => "wss",
            _ => return Err(format!("{text:?} does not begin with ws:// or wss://")),
        };
        match (uri.authority(), uri.path(), uri.query()) {
            (Some(authority), "/" | "", None) => Ok(Self(format!("{scheme}://{authority}"))),
            (_, _, _) => Err(format!("{text:?} must have a host and no path")),
        }
    }
}

/// All mistakes in the settings, one line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} in the settings:\n  {}", if .0.len() == 1 { "a mistake" } else { "mistakes" }, .0.join("\n  "))]
pub struct Mistakes(pub Vec<String>);

/// Reads settings and collects the mistakes.
#[derive(Debug)]
pub struct Reader {
    prefix: &'static str,
    mistakes: Vec<String>,
}

impl Reader {
    /// `prefix` starts the names of the environment variables; any of `variables` with that prefix that is not in
    /// `known` is a mistake.
    pub fn new(prefix: &'static str, known: &[&str], variables: impl Iterator<Item = String>) -> Self {
        let unknown = variables.filter(|name| name.starts_with(prefix) && !known.contains(&name.as_str()));
        Self { prefix, mistakes: unknown.map(|name| format!("{name}: unknown setting")).collect() }
    }

    /// The text of a setting, if set.
    pub fn value<T>(&mut self, name: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.mistake(name, &reason);
                None
            }
        }
    }

    /// The text of a required setting.
    pub fn required<T>(
        &mut self,
        name: &str,
        text: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let variable = name.replace('-', "_").to_uppercase();
            self.mistakes.push(format!("--{name} or {}{variable} must be set", self.prefix));
            return None;
        };
        self.value(name, &text, parse)
    }

    pub fn mistake(&mut self, name: &str, reason: &str) {
        self.mistakes.push(format!("--{name}: {reason}"));
    }

    /// Returns the settings, or every mistake noted so far.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, Mistakes> {
        match settings {
            Some(settings) if self.mistakes.is_empty() => Ok(settings),
            Some(_) | None => Err(Mistakes(self.mistakes)),
        }
    }
}

/// Anything that can be read from a text.
pub fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("{text:?}: {error}"))
}

/// Parses a comma-separated list.
pub fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(|item| parse(item.trim())).collect()
}

/// A number within bounds.
pub fn number(min: u64, max: u64) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| {
        let value: u64 = parse(text)?;
        if (min..=max).contains(&value) { Ok(value) } else { Err(format!("{value} is not from {min} to {max}")) }
    }
}

/// A token goes into a header line, so it must be one word; the error does not quote it.
pub fn secret(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > limits::TOKEN_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("not a token".to_owned());
    }
    Ok(Secret(text.to_owned()))
}

/// Accepts the value of a header that is a secret.
pub fn header(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > limits::TOKEN_BYTES_MAX || !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        return Err("not the value of a header".to_owned());
    }
    Ok(Secret(text.to_owned()))
}

/// Accepts `text` or `json`.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

pub fn log_filter(text: &str) -> Result<String, String> {
    let filter = text.parse::<tracing_subscriber::filter::Targets>().map_err(|error| format!("{text:?}: {error}"));
    filter.map(|_| text.to_owned())
}
