//! A Durable Object around a core: rows, attachments, one alarm, and hibernation.

use crate::check::Breaches;
use crate::clock::Clock;
use edge_core::SocketId;
use edge_core::storage::{Changes, RestoreError, Row};
use shared::UnixMillis;
use std::collections::BTreeMap;

/// The platform keeps this much of a socket's state through hibernation.
const ATTACHMENT_BYTES_MAX: usize = 2_048;
const KEY_BYTES_MAX: usize = 128;

pub trait Core {
    type Attachment: serde::Serialize + serde::de::DeserializeOwned;
}

impl Core for edge_core::room::Room {
    type Attachment = edge_core::room::Attachment;
}

impl Core for edge_core::fleet::Fleet {
    type Attachment = edge_core::fleet::Attachment;
}

pub struct Object<C> {
    core: Option<C>,
    rows: BTreeMap<String, String>,
    attachments: BTreeMap<SocketId, String>,
    alarm_at: Option<UnixMillis>,
}

impl<C> Default for Object<C> {
    fn default() -> Self {
        Self { core: None, rows: BTreeMap::new(), attachments: BTreeMap::new(), alarm_at: None }
    }
}

impl<C: Core> Object<C> {
    /// The core, restored from storage if it slept.
    pub fn wake(
        &mut self,
        breaches: &Breaches,
        clock: &Clock,
        restore: impl FnOnce(UnixMillis, &[Row], Vec<C::Attachment>) -> Result<C, RestoreError>,
    ) -> &mut C {
        let core = self.core.take().unwrap_or_else(|| {
            let row = |(key, value): (&String, &String)| Row { key: key.clone(), value: value.clone() };
            let rows: Vec<Row> = self.rows.iter().map(row).collect();
            let read = |text: &String| serde_json::from_str(text).expect("an attachment reads what it wrote");
            let sockets = self.attachments.values().map(read).collect();
            restore(clock.unix(), &rows, sockets).unwrap_or_else(|error| {
                breaches.add(clock, format!("stored rows cannot be read: {error}"));
                panic!("stored rows cannot be read: {error}")
            })
        });
        self.core.insert(core)
    }

    /// Drops everything that is neither stored nor attached.
    pub fn sleep(&mut self) {
        self.core = None;
    }

    pub fn store(&mut self, breaches: &Breaches, clock: &Clock, changes: Changes) {
        for Row { key, value } in changes.put {
            if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                breaches.add(clock, format!("no key for a row: {key:?}"));
            }
            self.rows.insert(key, value);
        }
        for key in changes.delete {
            self.rows.remove(&key);
        }
    }

    #[must_use]
    pub fn rows(&self) -> &BTreeMap<String, String> {
        &self.rows
    }

    pub fn attach(&mut self, breaches: &Breaches, clock: &Clock, socket: SocketId, attachment: &C::Attachment) {
        let text = serde_json::to_string(attachment).expect("an attachment is JSON");
        if text.len() > ATTACHMENT_BYTES_MAX {
            breaches.add(clock, format!("an attachment of {} bytes", text.len()));
        }
        self.attachments.insert(socket, text);
    }

    /// Removes a socket with its attachment.
    pub fn detach(&mut self, socket: SocketId) {
        self.attachments.remove(&socket);
    }

    /// The runtime was killed.
    pub fn forget_sockets(&mut self) {
        self.core = None;
        self.attachments.clear();
    }

    #[must_use]
    pub fn alarm_at(&self) -> Option<UnixMillis> {
        self.alarm_at
    }

    /// Like the shell, moves an alarm only to an earlier time: a core ignores one that is too early.
    pub fn arm(&mut self, deadline: Option<UnixMillis>) {
        self.alarm_at = [self.alarm_at, deadline].into_iter().flatten().min();
    }

    /// True if the alarm fires now.
    pub fn take_alarm(&mut self, now: UnixMillis) -> bool {
        self.alarm_at.take_if(|at| *at <= now).is_some()
    }

    /// True if the object has no rows, sockets or deadlines, so that the platform may drop it.
    #[must_use]
    pub fn is_forgettable(&self) -> bool {
        self.rows.is_empty() && self.attachments.is_empty() && self.alarm_at.is_none()
    }
}
