//! Parses query parameters: only known ones, each at most once.

use super::decode;
use crate::refusal::Refusal;
use edge_core::room::RecordingCursor;
use shared::sorted::SortedMap;
use shared::{RoomId, Text, limits};
use worker::Request;

pub(in crate::routes) struct Query(SortedMap<String, String>);

impl Query {
    /// Parses the query; refuses parameters that are not `known`, which would otherwise be ignored silently.
    pub(in crate::routes) fn of(request: &Request, known: &[&str]) -> Result<Self, Refusal> {
        let url = request.inner().url();
        let text = url.split_once('?').map_or("", |(_, query)| query);
        let text = text.split('#').next().unwrap_or_default();
        Self::parse(text, known, |text| decode(&text.replace('+', " ")))
    }

    fn parse(text: &str, known: &[&str], decode: impl Fn(&str) -> Option<String>) -> Result<Self, Refusal> {
        let mut parameters = SortedMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(Refusal::invalid("the query is not percent-encoded"));
            };
            if !known.contains(&name.as_str()) {
                return Err(Refusal::invalid("the query has an unknown parameter"));
            }
            if parameters.insert(name, value).is_some() {
                return Err(Refusal::invalid("a query parameter appears twice"));
            }
        }
        Ok(Self(parameters))
    }

    pub(in crate::routes) fn room(&self) -> Result<Option<RoomId>, Refusal> {
        let room = self.0.get("room").map(|text| RoomId::parse(text)).transpose();
        room.map_err(|_| Refusal::invalid("room must be a valid room name"))
    }

    /// The page size.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.0.get("limit") else { return Ok(default) };
        // `parse` would accept a plus sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| digits && (1..=most).contains(limit));
        limit.ok_or_else(|| Refusal::invalid(format!("limit must be from 1 to {most}")))
    }

    /// The start of a page of recordings.
    pub(super) fn recording_cursor(&self) -> Result<Option<RecordingCursor>, Refusal> {
        let Some(text) = self.0.get("cursor") else { return Ok(None) };
        let cursor = RecordingCursor::parse(text);
        cursor.map(Some).ok_or_else(|| Refusal::invalid("cursor must be the `next` of an earlier page"))
    }

    /// The start of a page of numbered rows.
    pub(super) fn number_cursor(&self) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.0.get("cursor") else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 15;
        let cursor = text.parse().ok().filter(|_| digits);
        cursor.map(Some).ok_or_else(|| Refusal::invalid("cursor must be the `next` of an earlier page"))
    }

    /// The start of a page: after this name, in this shard of the directory.
    pub(super) fn cursor(&self) -> Result<(usize, String), Refusal> {
        let Some(text) = self.0.get("cursor") else { return Ok((0, String::new())) };
        let allowed = |name: &str| {
            name.len() <= RoomId::BYTES_MAX
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let cursor = text.split_once('.').and_then(|(shard, name)| {
            let shard = shard.parse().ok().filter(|number| shard.len() == 1 && *number < limits::DIRECTORY_SHARDS)?;
            allowed(name).then(|| (shard, name.to_owned()))
        });
        cursor.ok_or_else(|| Refusal::invalid("cursor must be the `next` of an earlier page"))
    }

    /// The value of a switch.
    pub(super) fn is(&self, name: &str) -> Result<bool, Refusal> {
        match self.0.get(name).map(String::as_str) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::invalid(format!("{name} must be true or false"))),
        }
    }

    /// The reason for the affected participants.
    pub(super) fn reason(&self) -> Result<Option<String>, Refusal> {
        let reason = self.0.get("reason");
        reason.map_or(Ok(()), |reason| Text::Reason.check(reason)).map_err(Refusal::invalid)?;
        Ok(reason.cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Query, Refusal> {
        Query::parse(text, &["limit", "cursor", "reason"], |text| Some(text.to_owned()))
    }

    #[test]
    fn only_what_is_known_and_only_once() {
        assert!(parse("").is_ok() && parse("limit=1&cursor=0.a").is_ok());
        for bad in ["x=1", "limit=1&limit=2", "Limit=1", "limit[]=1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_are_bounded() {
        let limit = |text| parse(text).and_then(|query| query.limit(50, 100)).ok();
        assert_eq!(limit(""), Some(50));
        assert_eq!(limit("limit=100"), Some(100));
        for bad in ["limit=0", "limit=101", "limit=", "limit=-1", "limit=1.0", "limit=+5", "limit=99999999999999999999"]
        {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_one_of_ours() {
        let cursor = |text| parse(text).and_then(|query| query.cursor()).ok();
        assert_eq!(cursor(""), Some((0, String::new())));
        assert_eq!(cursor("cursor=7.daily"), Some((7, "daily".into())));
        assert_eq!(cursor("cursor=3."), Some((3, String::new())));
        for bad in ["cursor=", "cursor=8.a", "cursor=07.a", "cursor=1.a b", "cursor=a"] {
            assert_eq!(cursor(bad), None, "{bad}");
        }
    }
}
