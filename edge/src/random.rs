//! The randomness of the edge: `crypto.getRandomValues`.

use edge_core::{Random, SocketId};
use shared::TokenId;
use worker::{Error, Result};

/// Bytes requested at once: a join needs some 30 numbers, and each request costs as much as many bytes.
const STOCK_BYTES: usize = 512;

/// A random source for a core. Tried once before it is handed out, because a core cannot report a failure.
pub(crate) fn source() -> Result<Random> {
    fill(&mut [0; 1])?;
    let mut stock = Vec::new().into_iter();
    Ok(Box::new(move |bytes| {
        for byte in bytes {
            if stock.as_slice().is_empty() {
                let mut fresh = vec![0; STOCK_BYTES];
                // `crypto.getRandomValues` fails only if it does not exist (W3C WebCrypto §10.1.1) or is asked for more
                // than 64 KiB.
                drop(fill(&mut fresh));
                stock = fresh.into_iter();
            }
            *byte = stock.next().unwrap_or_default();
        }
    }))
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
    Ok(bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An id for a request in logs and error bodies.
pub(crate) fn request_id() -> String {
    // Without randomness the request is still answered, only its log lines are harder to find.
    id().unwrap_or_else(|_| "unnamed".into())
}

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn token_id() -> Result<TokenId> {
    TokenId::parse(&id()?).map_err(|error| Error::RustError(error.to_string()))
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::RustError(format!("no randomness: {error}")))
}
