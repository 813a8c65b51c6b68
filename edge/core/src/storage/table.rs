//! A table that tracks which rows have changed since they were last stored.

use shared::sorted::{SortedMap, SortedSet};

/// Rows by key, and the set of keys that may have changed.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    rows: SortedMap<K, V>,
    changed: SortedSet<K>,
}

impl<K: Ord + Clone, V> Table<K, V> {
    pub(crate) fn new(rows: SortedMap<K, V>) -> Self {
        Self { rows, changed: SortedSet::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// Marks the row as changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.changed.insert(key.clone());
        self.rows.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.rows.keys()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Keys whose rows were changed, added or removed since [`Self::take_changed`].
    pub(crate) fn changed(&self) -> &SortedSet<K> {
        &self.changed
    }

    /// Clears the list of changed rows, once they have been handed to storage.
    pub(crate) fn take_changed(&mut self) -> SortedSet<K> {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_changed_until_it_is_taken() {
        let mut table = Table::new(SortedMap::from([(1, 'a'), (2, 'b'), (3, 'c')]));
        assert!(table.changed().is_empty());
        *table.get_mut(&1).unwrap() = 'x';
        table.remove(&2);
        table.insert(4, 'd');
        assert_eq!(table.get_mut(&9), None);
        assert_eq!(table.remove(&9), None);
        assert_eq!(table.take_changed(), SortedSet::from([1, 2, 4]));
        assert!(table.changed().is_empty());
        assert_eq!(table.values().collect::<String>(), "xcd");
    }
}
