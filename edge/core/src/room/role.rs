//! What a participant's grants and the room's limits allow.

use super::Room;
use super::member::Member;
use shared::limits;
use shared::token::{Grants, JoinClaims};

/// Most participants of a room whose first joiner's token says this.
pub(super) fn participants_max(claims: &JoinClaims) -> usize {
    let wanted = claims.participants_max.and_then(|max| usize::try_from(max).ok());
    wanted.unwrap_or(limits::PARTICIPANTS_PER_ROOM_DEFAULT).clamp(1, limits::PARTICIPANTS_PER_ROOM_MAX)
}

impl Room {
    /// Whether one more participant, or the same one again, fits into the room.
    pub(super) fn has_room_for(&self, claims: &JoinClaims) -> bool {
        let limit = self.meta().map_or_else(|| participants_max(claims), |meta| meta.participants_max);
        self.members.contains(&claims.sub) || self.members.len() < limit
    }

    /// Whether the room is open to this participant: one already in it may come back, and a moderator always may.
    pub(super) fn is_open_to(&self, claims: &JoinClaims) -> bool {
        let locked = self.meta().is_some_and(|meta| meta.locked);
        !locked || self.grants_of(claims).moderate || self.members.contains(&claims.sub)
    }

    /// What they may do: what a moderator said stands above their token.
    pub(super) fn grants_of(&self, claims: &JoinClaims) -> Grants {
        self.standing_grants(&claims.sub, self.token_grants(claims))
    }

    /// What their token grants in this room: a guest is host of the room that they made, and of no later one of that name.
    pub(super) fn token_grants(&self, claims: &JoinClaims) -> Grants {
        let Some(guest) = &claims.guest else { return claims.grants };
        match guest.made.is_some() && guest.made == self.meta().map(|meta| meta.created_at) {
            true => claims.grants,
            false => Grants { moderate: false, record: false, ..claims.grants },
        }
    }

    /// Whether this participant may publish beside those who do.
    pub(super) fn has_room_for_publisher(&self, participant: &shared::ParticipantId) -> bool {
        let publishes = |member: &&Member| !member.tracks.is_empty() && member.id != *participant;
        self.members.values().filter(publishes).count() < limits::PUBLISHERS_PER_ROOM_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::{ParticipantId, RoomId};

    fn check(wanted: Option<u32>, expected: usize) {
        let claims = JoinClaims {
            sub: ParticipantId::parse("ada").unwrap(),
            room: RoomId::parse("daily").unwrap(),
            name: String::new(),
            grants: Grants::default(),
            participants_max: wanted,
            jti: None,
            jti_until: None,
            guest: None,
        };
        assert_eq!(participants_max(&claims), expected);
    }

    #[test]
    fn the_first_token_sets_the_limit_within_bounds() {
        check(None, limits::PARTICIPANTS_PER_ROOM_DEFAULT);
        check(Some(2), 2);
        check(Some(0), 1);
        check(Some(u32::MAX), limits::PARTICIPANTS_PER_ROOM_MAX);
    }
}
