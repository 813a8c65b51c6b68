//! The XML of S3-compatible storage: lists of keys and bulk deletions.

use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use std::fmt::Write;

/// Most objects in one list or one deletion (S3's ListObjectsV2 and DeleteObjects).
pub const OBJECTS_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    #[error("the answer is not XML")]
    Malformed,
    #[error("the answer is not a {expected} document")]
    Other {
        /// The expected name of the root element.
        expected: &'static str,
    },
    /// Some objects were not deleted.
    #[error("storage did not delete every object")]
    Kept,
}

pub fn keys(list: &str) -> Result<Vec<String>, ObjectsError> {
    let mut keys = Vec::new();
    read(list, "ListBucketResult", |name, text| {
        if name == "Key" {
            keys.push(unescape(text).map_err(|_| ObjectsError::Malformed)?.into_owned());
        }
        Ok(())
    })?;
    keys.truncate(OBJECTS_MAX);
    Ok(keys)
}

/// The body of a quiet deletion: its answer names only the objects that could not be deleted.
#[must_use]
pub fn deletion(keys: &[String]) -> String {
    let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys.iter().take(OBJECTS_MAX) {
        let _ = write!(body, "<Object><Key>{}</Key></Object>", escape(key.as_str()));
    }
    body + "</Delete>"
}

/// Returns an error unless all named objects were deleted.
pub fn check_deleted(answer: &str) -> Result<(), ObjectsError> {
    read(answer, "DeleteResult", |name, _| if name == "Code" { Err(ObjectsError::Kept) } else { Ok(()) })
}

/// Reads a document with this root element, and passes on each element that contains only text.
fn read(
    text: &str,
    expected: &'static str,
    mut hear: impl FnMut(&str, &str) -> Result<(), ObjectsError>,
) -> Result<(), ObjectsError> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut has_root) = (0_usize, false);
    // The innermost open element that has contained only text so far, and where its text begins.
    let mut open: Option<(String, usize)> = None;
    loop {
        let before = position(&reader);
        let event = reader.read_event().map_err(|_| ObjectsError::Malformed)?;
        match event {
            Event::Start(start) => {
                let name = start.local_name().into_inner();
                if depth == 0 && (has_root || name != expected) {
                    return Err(ObjectsError::Other { expected });
                }
                (depth, has_root) = (depth.saturating_add(1), true);
                open = Some((name.to_owned(), position(&reader)));
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if let Some((name, from)) = open.take() {
                    hear(&name, text.get(from..before).ok_or(ObjectsError::Malformed)?)?;
                }
            }
            Event::Empty(start) => {
                if depth == 0 {
                    if has_root || start.local_name().into_inner() != expected {
                        return Err(ObjectsError::Other { expected });
                    }
                    has_root = true;
                }
                open = None;
            }
            // A key containing one of these would differ from the text as read.
            Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(ObjectsError::Malformed);
            }
            Event::Text(_) | Event::GeneralRef(_) | Event::Decl(_) => {}
            Event::Eof if has_root && depth == 0 => return Ok(()),
            Event::Eof => return Err(ObjectsError::Malformed),
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of ListObjectsV2.
    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <Name>bucket</Name>
    <Prefix/>
    <KeyCount>2</KeyCount>
    <IsTruncated>false</IsTruncated>
    <Contents>
        <Key>a/my-image.jpg</Key>
        <ETag>"fba9dede5f27731c9771645a39863328"</ETag>
        <Owner><ID>75aa57f0</ID></Owner>
    </Contents>
    <Contents><Key>a/b&amp;&#228;&gt;.webm</Key></Contents>
</ListBucketResult>"#;

    #[test]
    fn the_keys_of_a_list_are_read() {
        assert_eq!(keys(LIST), Ok(vec!["a/my-image.jpg".into(), "a/b&ä>.webm".into()]));
        assert_eq!(keys("<ListBucketResult/>"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_is_not_taken_for_an_empty_one() {
        let other = Err(ObjectsError::Other { expected: "ListBucketResult" });
        assert_eq!(keys("<Error><Code>AccessDenied</Code></Error>"), other);
        assert_eq!(keys("<html/>"), other);
        assert_eq!(keys("<ListBucketResult></ListBucketResult><ListBucketResult/>"), other);
        for cut in [
            "",
            "no XML",
            "<ListBucketResult><Contents><Key>a</Key>",
            "<ListBucketResult><Key>a</K></ListBucketResult>",
        ] {
            assert_eq!(keys(cut), Err(ObjectsError::Malformed), "{cut}");
        }
    }

    #[test]
    fn a_deletion_names_every_key_as_it_is() {
        let named = ["a/1.webm", "<&>\"'", "ä b"].map(String::from);
        let body = deletion(&named);
        assert!(body.contains("<Object><Key>a/1.webm</Key></Object>"), "{body}");
        assert_eq!(keys(&body.replace("Delete", "ListBucketResult")), Ok(named.to_vec()));
    }

    #[test]
    fn what_was_not_deleted_is_told() {
        assert_eq!(check_deleted("<DeleteResult xmlns=\"…\"></DeleteResult>"), Ok(()));
        assert_eq!(check_deleted("<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"), Ok(()));
        let kept = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>";
        assert_eq!(check_deleted(kept), Err(ObjectsError::Kept));
        assert_eq!(check_deleted("<Error/>"), Err(ObjectsError::Other { expected: "DeleteResult" }));
    }
}
