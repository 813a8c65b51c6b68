//! STUN messages (RFC 8489), as far as ICE needs them: Binding requests are read, responses are written.

mod read;
mod transaction;
mod write;

pub use read::{
    BindingRequest, BindingSuccess, HEADER_BYTES, REQUEST_BYTES_MAX, Role, TransactionId, UnknownAttributes,
    is_success, key,
};
pub use transaction::TransactionIds;
pub use write::{Request, Response};

#[cfg(test)]
mod tests;
