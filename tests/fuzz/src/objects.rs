//! Answers of storage: a deletion names exactly the keys of the list.

use edge_core::objects::{self, OBJECTS_MAX};

/// Reads `bytes` as a list of keys and as the answer to a deletion.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = objects::check_deleted(text);
    let Ok(keys) = objects::keys(text) else { return };
    assert!(keys.len() <= OBJECTS_MAX);
    // A deletion names keys as a list does, below another root.
    let body = objects::deletion(&keys);
    let inside = body.strip_prefix("<Delete ").and_then(|body| body.strip_suffix("</Delete>")).expect("a deletion");
    assert_eq!(objects::keys(&format!("<ListBucketResult {inside}</ListBucketResult>")), Ok(keys));
}
