//! Maps and sets in sorted vectors, and sorting, for programs that must be small.
//!
//! The standard library's `BTreeMap` and its sorting are several kilobytes of code for each type of key, value and
//! element: with the Worker's some fifty types, a fifth of its code. These take a few hundred bytes. An insertion moves
//! what is behind it, which for the thousands of entries of a room or a region costs microseconds.

mod map;
mod set;

pub use map::SortedMap;
pub use set::SortedSet;

use std::cmp::Ordering;

/// Sorts like `slice::sort_by_key`: equal elements keep their order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts like `slice::sort_by`: equal elements keep their order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let swaps = {
        let at = |place: usize| items.get(place);
        let compare = |a: usize, b: usize| at(a).zip(at(b)).map_or(Ordering::Equal, |(a, b)| compare(a, b));
        swaps(items.len(), &compare)
    };
    for (a, b) in swaps {
        items.swap(a, b);
    }
}

/// Like [`sort_by_key`], for keys that are worth computing once.
pub fn sort_by_cached_key<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut keyed: Vec<(K, T)> = items.drain(..).map(|item| (key(&item), item)).collect();
    sort_by(&mut keyed, |(a, _), (b, _)| a.cmp(b));
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

/// The exchanges that sort elements. Not generic, so there is one copy of the algorithm.
fn swaps(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    let (mut there, mut place_of): (Vec<usize>, Vec<usize>) = (0..count).map(|place| (place, place)).unzip();
    let mut swaps = Vec::new();
    for (place, wanted) in order.into_iter().enumerate() {
        let (from, other) = (place_of[wanted], there[place]);
        if from != place {
            swaps.push((place, from));
            (there[from], place_of[other]) = (other, from);
        }
    }
    swaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_elements_keep_their_order() {
        let mut items: Vec<(u32, usize)> =
            (0..1_000).map(|place| ((place as u32).wrapping_mul(7_919) % 10, place)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|(key, _)| *key);
        sort_by_key(&mut items, |(key, _)| *key);
        assert_eq!(items, expected);
        sort_by(&mut items, |a, b| b.cmp(a));
        expected.sort_by(|a, b| b.cmp(a));
        assert_eq!(items, expected);
    }
}
