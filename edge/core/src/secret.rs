//! Comparing secrets.

/// Compares in a time that says nothing about where two secrets differ.
#[must_use]
pub fn is_same(ours: &str, theirs: &str) -> bool {
    let differ = ours.bytes().zip(theirs.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    ours.len() == theirs.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_counts() {
        for (theirs, expected) in [("abc", true), ("abd", false), ("ab", false), ("abcd", false), ("", false)] {
            assert_eq!(is_same("abc", theirs), expected, "{theirs}");
        }
    }
}
