//! A connection's place among those of the node, from the listener to the end, whichever thread has it.

use super::limits;
use node_shell::streams::{Limits, NoPlace, Places};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

pub(super) const LIMITS: Limits = Limits {
    connections: limits::CONNECTIONS_MAX,
    per_address: limits::CONNECTIONS_PER_ADDRESS_MAX,
    strangers: limits::STRANGERS_MAX,
};

/// All connections of the node, counted when they open and end, never per packet.
#[derive(Clone, Debug)]
pub(super) struct Registry(Arc<Mutex<Places<Arc<Notify>>>>);

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Registry,
    address: IpAddr,
}

/// A place among the strangers, given back when dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    registry: Registry,
    number: u64,
    evicted: Arc<Notify>,
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Places::new(limits))))
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Place, NoPlace> {
        self.places().take(address)?;
        Ok(Place { registry: self.clone(), address })
    }

    /// Evicts the oldest stranger if there are too many.
    pub(super) fn add_stranger(&self) -> Stranger {
        let evicted = Arc::new(Notify::new());
        let (number, oldest) = self.places().add_stranger(Arc::clone(&evicted));
        if let Some(oldest) = oldest {
            oldest.notify_one();
        }
        Stranger { registry: self.clone(), number, evicted }
    }

    fn places(&self) -> MutexGuard<'_, Places<Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger {
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.places().give_back(self.address);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.registry.places().remove_stranger(self.number);
    }
}
