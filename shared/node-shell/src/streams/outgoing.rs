//! Data queued for a client that reads more slowly than data comes: whole messages, up to a limit.

/// Bytes to send, oldest first. Memory is kept for the next messages unless it has become large.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// The number of sent bytes at the start of `bytes`.
    sent: usize,
}

/// Larger memory is freed when everything is sent.
const KEPT_BYTES: usize = 64 * 1024;

impl Outgoing {
    /// Adds a message in parts; false, and nothing is added, if more than `bytes_max` would wait.
    #[must_use]
    pub fn push(&mut self, parts: &[&[u8]], bytes_max: usize) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.waiting().len() + length > bytes_max {
            return false;
        }
        // Removes sent bytes before memory would grow, once they are at least as long as the bytes that move.
        if self.sent >= self.bytes.len() - self.sent && self.bytes.len() + length > self.bytes.capacity() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        true
    }

    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Marks the first `count` waiting bytes as sent.
    pub fn advance(&mut self, count: usize) {
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

    const BYTES_MAX: usize = 128 * 1024;

    #[test]
    fn gives_out_what_was_put_in_and_never_holds_more_than_its_limit() {
        let (mut queue, mut put, mut taken) = (Outgoing::default(), Vec::new(), Vec::new());
        let mut seed = 1_u32;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let length = (seed >> 16) as usize % 3_000;
            let message = vec![seed as u8; length];
            if queue.push(&[&message[..length / 3], &message[length / 3..]], BYTES_MAX) {
                put.extend_from_slice(&message);
            }
            let count = ((seed >> 8) as usize % 3_000).min(queue.waiting().len());
            taken.extend_from_slice(&queue.waiting()[..count]);
            queue.advance(count);
            assert!(queue.waiting().len() <= BYTES_MAX);
            assert!(queue.bytes.capacity() <= 4 * BYTES_MAX);
        }
        taken.extend_from_slice(queue.waiting());
        assert!(taken == put, "{} of {}", taken.len(), put.len());
    }

    #[test]
    fn a_higher_limit_has_room_when_a_lower_one_has_none() {
        let mut queue = Outgoing::default();
        while queue.push(&[&[7; 1_200]], BYTES_MAX) {}
        assert!(queue.waiting().len() > BYTES_MAX - 1_200);
        let answers = (0..).take_while(|_| queue.push(&[&[0; 100]], BYTES_MAX + 16 * 1024)).count();
        assert!((150..=176).contains(&answers), "{answers}");
        queue.advance(usize::MAX);
        assert!(queue.waiting().is_empty() && queue.bytes.capacity() <= KEPT_BYTES);
    }
}
