//! The randomness of the edge: `crypto.getRandomValues`.

use edge_core::{Random, SocketId};
use shared::TokenId;
use worker::{Error, Result};

/// A source for a core. Asked for once before it is handed out, because a core has no way to say that it failed.
pub(crate) fn source() -> Result<Random> {
    fill(&mut [0; 1])?;
    // `crypto.getRandomValues` fails only where it does not exist (W3C WebCrypto §10.1.1) or is asked for more than 64 KiB.
    Ok(Box::new(|bytes| drop(fill(bytes))))
}

/// A number for a new socket, unique for all practical purposes among the sockets of an object.
pub(crate) fn socket_id() -> Result<SocketId> {
    const SAFE_INTEGER_BITS: u32 = 53;
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(SocketId(u64::from_le_bytes(bytes) >> (u64::BITS - SAFE_INTEGER_BITS)))
}

/// An unguessable, unique name: 128 bits in hexadecimal.
pub(crate) fn id() -> Result<String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name for a request in logs and error bodies.
pub(crate) fn request_id() -> String {
    // Without randomness the request still gets an answer, only its log lines are harder to find.
    id().unwrap_or_else(|_| "unnamed".into())
}

/// A `jti` that no other token has.
pub(crate) fn token_id() -> Result<TokenId> {
    TokenId::parse(&id()?).map_err(|error| Error::RustError(error.to_string()))
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::RustError(format!("no randomness: {error}")))
}
