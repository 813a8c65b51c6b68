//! Bans, and departed guests whom a ban may still concern. Bans outlive the room, because a banned participant could
//! otherwise wait until everybody has left. A guest's bans do not.

use serde::{Deserialize, Serialize};
use shared::{UnixMillis, limits};

/// The source of a decision about others. A guest is a moderator only by having come first, so a guest's decisions end
/// with the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// The application's server, or a moderator with a token from it.
    Application,
    Guest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ban {
    /// The participant's display name, for the list of bans.
    pub(crate) name: String,
    pub(crate) banned_at: UnixMillis,
    /// `None`: the ban has no end, or lasts as long as the room.
    pub(crate) until: Option<UnixMillis>,
    /// `None` in rows from before the difference was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outlives_room: Option<bool>,
    /// True if the ban is for all guests at the address, and not only for new ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) address: bool,
    /// The keyed hash of a guest's address, because the guest's next id would be another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// End of the time in which the address counts; `None`: a day after the ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from_until: Option<UnixMillis>,
    /// The time at which a ban without an end is deleted, if no room exists by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unused_until: Option<UnixMillis>,
}

impl Ban {
    /// A row without this field is from a time when a ban without an end lasted as long as the room, unless the room
    /// has already ended.
    pub(crate) fn outlives_room(&self) -> bool {
        self.outlives_room.unwrap_or(self.until.is_some() || self.unused_until.is_some())
    }

    /// A guest, who is a moderator only by having come first, leaves the application's bans alone.
    pub(crate) fn may_be_lifted_by(&self, judge: Judge) -> bool {
        judge == Judge::Application || !self.outlives_room()
    }

    /// True if guests at this address are refused for it.
    pub(crate) fn is_of(&self, now: UnixMillis, from: &str) -> bool {
        self.from.as_deref() == Some(from) && self.address_until().is_some_and(|until| now < until)
    }

    /// End of the time in which guests are refused for their address.
    pub(crate) fn address_until(&self) -> Option<UnixMillis> {
        self.from.as_ref()?;
        Some(self.from_until.unwrap_or_else(|| self.banned_at.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX)))
    }
}

impl Ban {
    /// The time at which it ends, or its address is deleted.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        [self.until.or(self.unused_until), self.address_until()].into_iter().flatten().min()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departed {
    pub(crate) name: String,
    pub(crate) from: String,
    /// After this time, the address may belong to another person.
    pub(crate) until: UnixMillis,
}
