//! The trace that a client begins with its attempt to join (W3C Trace Context): one id in the logs of everything that
//! serves it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The header and query parameter that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// Bytes of a `traceparent` of version 00.
const TEXT_BYTES: usize = 55;

/// A trace and one of its spans, as in `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Trace {
    pub id: TraceId,
    pub span: SpanId,
    is_sampled: bool,
}

/// Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a traceparent")]
pub struct TraceError;

impl Trace {
    /// The first span of a new trace.
    #[must_use]
    pub const fn begin(random: [u8; 24]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, rest @ ..] = random;
        // The lowest bit makes it valid.
        let id = TraceId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p | 1]);
        Self { id, span: SpanId::of(rest), is_sampled: true }
    }

    /// Another span of the same trace.
    #[must_use]
    pub const fn child(self, random: [u8; 8]) -> Self {
        Self { span: SpanId::of(random), ..self }
    }

    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut fields = text.split('-');
        let version: u8 = hex(fields.next(), 2)?;
        let (id, span): (u128, u64) = (hex(fields.next(), 32)?, hex(fields.next(), 16)?);
        let flags: u8 = hex(fields.next(), 2)?;
        // Later versions may append fields (W3C Trace Context §4.3).
        let is_whole = if version == 0 { text.len() == TEXT_BYTES } else { version != 0xff };
        if id == 0 || span == 0 || !is_whole {
            return Err(TraceError);
        }
        let (id, span) = (TraceId(id.to_be_bytes()), SpanId(span.to_be_bytes()));
        Ok(Self { id, span, is_sampled: flags & 1 == 1 })
    }

    /// The trace in a URL's query.
    #[must_use]
    pub fn of_query(url: &str) -> Option<Self> {
        let (_, query) = url.split_once('?')?;
        let pairs = query.split(['&', '#']).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == TRACEPARENT).find_map(|(_, value)| Self::parse(value).ok())
    }

    /// False if the client asks not to export it.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.is_sampled
    }
}

/// Lower-case hexadecimal digits; `from_str_radix` would accept others, and a sign.
fn hex<T: TryFrom<u128>>(field: Option<&str>, digits: usize) -> Result<T, TraceError> {
    let text = field.filter(|text| text.len() == digits).ok_or(TraceError)?;
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(TraceError);
    }
    u128::from_str_radix(text, 16).ok().and_then(|number| number.try_into().ok()).ok_or(TraceError)
}

impl TraceId {
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// The lowest bit makes it valid.
    const fn of(random: [u8; 8]) -> Self {
        Self((u64::from_be_bytes(random) | 1).to_be_bytes())
    }

    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.id, self.span, u8::from(self.is_sampled))
    }
}

impl TryFrom<String> for Trace {
    type Error = TraceError;
    fn try_from(text: String) -> Result<Self, TraceError> {
        Self::parse(&text)
    }
}

impl From<Trace> for String {
    fn from(trace: Trace) -> Self {
        trace.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_can_be_written_again() {
        for text in [TEXT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"] {
            assert_eq!(Trace::parse(text).map(|trace| trace.to_string()).as_deref(), Ok(text));
        }
        let trace = Trace::parse(TEXT).expect("a trace");
        assert_eq!((trace.child([0; 8]).id, trace.child([0; 8]).span), (trace.id, SpanId(1_u64.to_be_bytes())));
        assert_eq!(Trace::parse(&Trace::begin([0; 24]).to_string()), Ok(Trace::begin([0; 24])));
    }

    #[test]
    fn later_versions_are_read_and_nonsense_is_not() {
        assert!(Trace::parse(&format!("01{}-more", &TEXT[2..])).is_ok());
        for text in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}-more"),
            &format!("ff{}", &TEXT[2..]),
            &TEXT.to_uppercase(),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(text), Err(TraceError), "{text}");
        }
    }

    #[test]
    fn a_query_may_carry_it() {
        let check = |url: &str, is_there: bool| assert_eq!(Trace::of_query(url).is_some(), is_there, "{url}");
        check(&format!("wss://edge.example/v1/rooms/daily/socket?traceparent={TEXT}"), true);
        check(&format!("https://edge.example/events?close=1000&traceparent={TEXT}#x"), true);
        check("https://edge.example/events?traceparent=00", false);
        check(&format!("https://edge.example/traceparent={TEXT}"), false);
    }
}
