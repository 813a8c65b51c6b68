//! Certificates for simulated nodes and browsers.

use media_core::session::dtls::Identity;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

type Der = (Vec<u8>, Vec<u8>);

/// Certificates by seed: a replayed world must have the same fingerprints.
static MADE: Mutex<BTreeMap<u64, Der>> = Mutex::new(BTreeMap::new());

/// The certificate for `seed`, with DTLS timers derived from it.
#[must_use]
pub fn simulated(seed: u64) -> Identity {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let (certificate, key) = made.entry(seed).or_insert_with(make).clone();
    Identity::simulated(certificate, key, seed).expect("DTLS takes ECDSA on P-256")
}

fn make() -> Der {
    let made = rcgen::generate_simple_self_signed(vec!["simulated".into()]).expect("an ECDSA certificate");
    (made.cert.der().to_vec(), made.signing_key.serialize_der())
}
