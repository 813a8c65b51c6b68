//! Unguessable transaction ids: a response with the right one proves that its sender received the request.

use super::read::TransactionId;
use aws_lc_rs::hmac;

/// Generates the transaction ids of one shard from a keyed hash, because the numbers of [`crate::random::Random`] can
/// be predicted from a few earlier ones.
#[derive(Debug)]
pub struct TransactionIds {
    key: hmac::Key,
    made: u64,
}

impl TransactionIds {
    /// The seed must stay secret for as long as the ids are used.
    pub fn seeded(seed: u64) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &seed.to_be_bytes()), made: 0 }
    }

    /// An id that begins with `number`, which identifies the session in the response; the rest is 64 secret bits.
    pub fn next(&mut self, number: u32) -> TransactionId {
        self.made += 1;
        let tag = hmac::sign(&self.key, &self.made.to_be_bytes());
        let mut id = [0; 12];
        let (front, rest) = id.split_at_mut(4);
        front.copy_from_slice(&number.to_be_bytes());
        rest.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        id
    }

    pub fn number(id: &TransactionId) -> u32 {
        let [a, b, c, d, ..] = *id;
        u32::from_be_bytes([a, b, c, d])
    }

    /// A seed for numbers that are not secret; it does not reveal the seed of the ids.
    pub fn public_seed(&self) -> u64 {
        let tag = hmac::sign(&self.key, b"public");
        tag.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_number_and_none_is_like_another() {
        let mut ids = TransactionIds::seeded(1);
        let (first, second) = (ids.next(7), ids.next(7));
        assert_eq!((TransactionIds::number(&first), TransactionIds::number(&second)), (7, 7));
        assert_ne!(first, second);
        assert_ne!(first, TransactionIds::seeded(2).next(7));
    }
}
