//! What waits for a client that reads more slowly than its peers send: whole messages, up to a limit.

use turn_core::limits;

/// Bytes to send, oldest first. Memory is kept for the next messages unless it has become large.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    /// How many of `bytes` are sent already.
    sent: usize,
}

/// Memory beyond this is given back when everything is sent.
const KEPT_BYTES: usize = 64 * 1024;

impl Outgoing {
    /// Adds a message with data, or says that it must be dropped.
    pub(crate) fn push_data(&mut self, parts: [&[u8]; 3]) -> bool {
        self.push(&parts, limits::STREAM_QUEUE_BYTES_MAX)
    }

    /// Adds an answer; if there is no room, the client does not read its answers.
    pub(crate) fn push_answer(&mut self, bytes: &[u8]) -> bool {
        self.push(&[bytes], limits::STREAM_QUEUE_BYTES_MAX + limits::STREAM_ANSWER_BYTES_MAX)
    }

    fn push(&mut self, parts: &[&[u8]], most: usize) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.waiting().len() + length > most {
            return false;
        }
        // Before memory would grow, what is sent makes room. It is at least as long as what moves.
        if self.sent >= self.bytes.len() - self.sent && self.bytes.len() + length > self.bytes.capacity() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        true
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// The first `count` bytes that were waiting are sent.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent < self.bytes.len() {
            return;
        }
        self.sent = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_out_what_was_put_in_and_never_holds_more_than_its_limit() {
        let (mut queue, mut put, mut taken) = (Outgoing::default(), Vec::new(), Vec::new());
        let mut seed = 1_u32;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let length = (seed >> 16) as usize % 3_000;
            let message = vec![seed as u8; length];
            if queue.push_data([&message[..length / 3], &message[length / 3..], &[]]) {
                put.extend_from_slice(&message);
            }
            let count = ((seed >> 8) as usize % 3_000).min(queue.waiting().len());
            taken.extend_from_slice(&queue.waiting()[..count]);
            queue.advance(count);
            assert!(queue.waiting().len() <= limits::STREAM_QUEUE_BYTES_MAX);
            assert!(queue.bytes.capacity() <= 4 * limits::STREAM_QUEUE_BYTES_MAX);
        }
        taken.extend_from_slice(queue.waiting());
        assert!(taken == put, "{} of {}", taken.len(), put.len());
    }

    #[test]
    fn answers_have_room_when_data_has_none() {
        let mut queue = Outgoing::default();
        while queue.push_data([&[7; 1_200], &[], &[]]) {}
        assert!(queue.waiting().len() > limits::STREAM_QUEUE_BYTES_MAX - 1_200);
        let answers = (0..).take_while(|_| queue.push_answer(&[0; 100])).count();
        assert!((150..=176).contains(&answers), "{answers}");
        queue.advance(usize::MAX);
        assert!(queue.waiting().is_empty() && queue.bytes.capacity() <= KEPT_BYTES);
    }
}
