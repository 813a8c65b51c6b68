//! Reads request bodies with a size limit, and parses them into types.

use super::super::Arrival;
use crate::refusal::Refusal;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use shared::api::Bounds;
use shared::json::Document;
use shared::{ErrorCode, limits};

const TOO_LARGE: Refusal = Refusal::new(ErrorCode::BodyTooLarge, "the body must not be larger than 64 KiB");

pub(in crate::routes) async fn read<T: DeserializeOwned + Bounds>(arrival: &mut Arrival<'_>) -> Result<T, Refusal> {
    if !is_json(&arrival.header("Content-Type").unwrap_or_default()) {
        return Err(Refusal::new(ErrorCode::UnsupportedMediaType, "the body must be application/json"));
    }
    parse(&collect(arrival, limits::API_BODY_BYTES_MAX, &TOO_LARGE).await?)
}

/// A request's body of at most `most` bytes, also without a Content-Length; a larger one is `refused` without being read.
pub(in crate::routes) async fn collect(
    arrival: &mut Arrival<'_>,
    most: usize,
    refused: &Refusal,
) -> Result<Vec<u8>, Refusal> {
    let announced = arrival.header("Content-Length").and_then(|length| length.parse().ok());
    if announced.is_some_and(|length: usize| length > most) {
        return Err(refused.clone());
    }
    let mut body = Vec::new();
    // A request without a body has no stream.
    let Ok(mut stream) = arrival.request.stream() else { return Ok(body) };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::invalid("the body is incomplete"))?;
        if body.len().saturating_add(chunk.len()) > most {
            return Err(refused.clone());
        }
        body.extend(chunk);
    }
    Ok(body)
}

/// The same for a body of text.
pub(in crate::routes) async fn collect_text(
    arrival: &mut Arrival<'_>,
    most: usize,
    refused: &Refusal,
) -> Result<String, Refusal> {
    let body = collect(arrival, most, refused).await?;
    String::from_utf8(body).map_err(|_| Refusal::invalid("the body is not UTF-8"))
}

fn parse<T: DeserializeOwned + Bounds>(body: &[u8]) -> Result<T, Refusal> {
    let not_json = |error: &dyn std::fmt::Display| Refusal::invalid(format!("the body is not JSON: {error}"));
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    let mut document = Document::parse(text).map_err(|error| not_json(&error))?;
    if !document.reader().is_object() {
        return Err(Refusal::invalid("the body must be a JSON object"));
    }
    document.make_integers();
    let parsed = T::deserialize(document.reader()).map_err(|error| Refusal::invalid(error.to_string()))?;
    parsed.check_bounds().map_err(Refusal::invalid)?;
    Ok(parsed)
}

/// RFC 9110 §8.3.1: the type is case-insensitive and may have parameters.
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::api::RoomRequest;

    #[test]
    fn json_is_json_with_any_parameter() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn a_body_is_an_object_of_known_fields_within_bounds() {
        assert!(parse::<RoomRequest>(b"{}").is_ok());
        let whole: RoomRequest = parse(br#"{"participants_max":12.0}"#).expect("an integer");
        assert_eq!(whole.participants_max, Some(12));
        for bad in [
            "",
            "null",
            "[]",
            "[\"daily\"]",
            r#"{"max":1}"#,
            r#"{"participants_max":0}"#,
            r#"{"participants_max":1.5}"#,
            r#"{"participants_max":1e300}"#,
            r#"{"name":"a b"}"#,
        ] {
            let refusal = parse::<RoomRequest>(bad.as_bytes()).expect_err(bad);
            assert_eq!(refusal.code, ErrorCode::InvalidRequest, "{bad}");
        }
    }
}
