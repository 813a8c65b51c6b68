//! Dense storage with keys that become stale: per packet, a lookup is one array access.

use std::marker::PhantomData;

/// Identifies one entry of a [`Slab`] with the marker `M`; once that entry is removed it identifies nothing, even if
/// the place is reused.
pub struct Key<M> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> M>,
}

impl<M> Key<M> {
    /// The place in the slab, which another entry may have had before.
    pub fn index(self) -> u32 {
        self.index
    }
}

#[cfg(test)]
impl<M> Key<M> {
    /// A key of some slab.
    pub(crate) const fn numbered(index: u32) -> Self {
        Self { index, generation: 0, of: PhantomData }
    }
}

// Derived, these would require the same of `M`.
impl<M> Clone for Key<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for Key<M> {}
impl<M> PartialEq for Key<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}
impl<M> Eq for Key<M> {}
impl<M> PartialOrd for Key<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<M> Ord for Key<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.index, self.generation).cmp(&(other.index, other.generation))
    }
}
impl<M> std::hash::Hash for Key<M> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.index, self.generation).hash(state);
    }
}
impl<M> std::fmt::Debug for Key<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// Entries in an array, whose free places are reused.
pub struct Slab<M, T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    of: PhantomData<fn() -> M>,
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<M, T> Default for Slab<M, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), of: PhantomData }
    }
}

impl<M, T> Slab<M, T> {
    pub fn insert(&mut self, value: T) -> Key<M> {
        let index = self.free.pop().unwrap_or(self.entries.len() as u32);
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.value = Some(value);
            return Key { index, generation: entry.generation, of: PhantomData };
        }
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Key { index, generation: 0, of: PhantomData }
    }

    /// `None` if the entry was removed.
    pub fn get(&self, key: Key<M>) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        entry.value.as_ref().filter(|_| entry.generation == key.generation)
    }

    pub fn get_mut(&mut self, key: Key<M>) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        entry.value.as_mut().filter(|_| entry.generation == key.generation)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|entry| entry.value.as_ref())
    }

    /// The key of the entry at this place.
    pub fn key_at(&self, index: u32) -> Option<Key<M>> {
        let entry = self.entries.get(index as usize).filter(|entry| entry.value.is_some())?;
        Some(Key { index, generation: entry.generation, of: PhantomData })
    }

    pub fn remove(&mut self, key: Key<M>) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize).filter(|entry| entry.generation == key.generation)?;
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub fn count(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_entry_is_not_found_though_its_place_is_used_again() {
        let mut slab = Slab::<(), _>::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!((slab.remove(a), slab.remove(a), slab.count()), (Some("a"), None, 1));
        let c = slab.insert("c");
        assert_eq!((slab.get(a), slab.get(b), slab.get(c)), (None, Some(&"b"), Some(&"c")));
        assert_eq!(slab.get_mut(a), None);
        assert_eq!((slab.key_at(a.index()), slab.key_at(7)), (Some(c), None));
        assert_eq!(slab.entries.len(), 2);
    }
}
