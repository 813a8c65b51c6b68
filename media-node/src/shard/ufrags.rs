//! The user fragments of a shard's sessions, for the thread that accepts connections.

use media_core::sfu::UfragChange;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The shard's thread locks it only when sessions open, restart ICE or close.
#[derive(Clone, Debug, Default)]
pub(super) struct Ufrags(Arc<Mutex<HashSet<Box<str>>>>);

impl Ufrags {
    pub(super) fn has(&self, ufrag: &str) -> bool {
        self.all().contains(ufrag)
    }

    pub(super) fn note(&self, change: UfragChange) {
        match change {
            UfragChange::Claimed(ufrag) => self.all().insert(ufrag),
            UfragChange::Released(ufrag) => self.all().remove(&ufrag),
        };
    }

    /// The shard's thread has ended, and its sessions with it.
    pub(super) fn forget_all(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
