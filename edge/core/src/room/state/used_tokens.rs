//! Single-use join tokens (`jti`, RFC 7519 §4.1.7), remembered until they expire, even after the room has ended.

use serde::{Deserialize, Serialize};
use shared::{AttemptId, UnixMillis};

/// The one join that a token admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsedToken {
    /// Repeating the same join is allowed, because its answer may have been lost.
    pub(crate) attempt: AttemptId,
    pub(crate) until: UnixMillis,
}
