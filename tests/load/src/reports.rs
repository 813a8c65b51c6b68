//! The reports that the floor's receivers send back: as long and as frequent as those of the node's clients, and
//! authenticated like them, but without meaning.

use anyhow::{Context, Result};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Interval of reports about a stream of more than 0.3 Mbit/s, counted from the first packet after the last report.
const INTERVAL: Duration = Duration::from_millis(50);
/// The empty receiver report, and the head of the feedback with one chunk.
const HEAD_BYTES: usize = 8 + 20 + 2;
/// Most packets of a report, with a byte each.
const PACKETS_MAX: usize = 400;
/// A packet's index and tag.
const TRAILER_BYTES: usize = 4 + 16;

/// The key between the floor and the receiver with this number.
pub fn key(place: usize) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &[place as u8; 16]).ok().context("a key")?;
    Ok(LessSafeKey::new(key))
}

/// One receiver's half.
pub struct Reports {
    key: LessSafeKey,
    index: u32,
    to: Option<SocketAddr>,
    packets: usize,
    due_at: Option<Instant>,
    buffer: [u8; HEAD_BYTES + PACKETS_MAX + TRAILER_BYTES],
}

impl Reports {
    pub fn new(place: usize) -> Result<Self> {
        let buffer = [0; HEAD_BYTES + PACKETS_MAX + TRAILER_BYTES];
        Ok(Self { key: key(place)?, index: 0, to: None, packets: 0, due_at: None, buffer })
    }

    pub fn record(&mut self, now: Instant, from: SocketAddr) {
        self.to = Some(from);
        self.packets += 1;
        self.due_at.get_or_insert(now + INTERVAL);
    }

    /// The due report, and its destination.
    pub fn next(&mut self, now: Instant) -> Option<(SocketAddr, &[u8])> {
        self.due_at.take_if(|at| *at <= now)?;
        let plain_bytes = HEAD_BYTES + std::mem::take(&mut self.packets).min(PACKETS_MAX);
        let (plain, trailer) = self.buffer.get_mut(..plain_bytes + TRAILER_BYTES)?.split_at_mut(plain_bytes);
        let (tag, index) = trailer.split_at_mut(16);
        index.copy_from_slice(&self.index.to_be_bytes());
        tag.copy_from_slice(self.key.seal_in_place_separate_tag(nonce(self.index), Aad::empty(), plain).ok()?.as_ref());
        self.index += 1;
        Some((self.to?, self.buffer.get(..plain_bytes + TRAILER_BYTES)?))
    }
}

/// Authenticates and decrypts a report in place; false if it is forged.
pub fn open(key: &LessSafeKey, report: &mut [u8]) -> bool {
    let Some((sealed, index)) = report.split_last_chunk_mut::<4>() else { return false };
    key.open_in_place(nonce(u32::from_be_bytes(*index)), Aad::empty(), sealed).is_ok()
}

/// The floor's own packets have another first half.
fn nonce(index: u32) -> Nonce {
    let mut nonce = [0xff; NONCE_LEN];
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_at_their_interval_and_are_authentic() {
        let now = Instant::now();
        let from: SocketAddr = "127.0.0.1:9".parse().expect("an address");
        let mut reports = Reports::new(3).expect("a key");
        assert!(reports.next(now).is_none(), "nothing has come");
        (0..25).for_each(|_| reports.record(now, from));
        assert!(reports.next(now + INTERVAL / 2).is_none());
        let (to, report) = reports.next(now + INTERVAL).expect("it is due");
        assert_eq!((to, report.len()), (from, HEAD_BYTES + 25 + TRAILER_BYTES));
        let mut report = report.to_vec();
        assert!(!open(&key(4).expect("a key"), &mut report.clone()), "another receiver's key");
        assert!(open(&key(3).expect("a key"), &mut report));
        assert!(reports.next(now + 2 * INTERVAL).is_none());
    }
}
