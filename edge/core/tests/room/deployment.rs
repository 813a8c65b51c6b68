//! The deployment of the rooms on the stage: its settings, its keys, and the claims of its tokens.

use crate::stage::participant_of;
use edge_core::roles::Roles;
use edge_core::room::{Config, ResumeKeys};
use edge_core::templates::Templates;
use shared::token::{Grants, JoinClaims};
use shared::turn_credential::TurnKeys;
use shared::{ParticipantId, Region, RoomId};

pub(crate) fn turn_keys() -> TurnKeys {
    TurnKeys::parse("k:a secret of more than thirty-two bytes").expect("keys")
}

pub(crate) fn claims_of(name: &str, grants: Grants) -> JoinClaims {
    let id = participant_of(name);
    JoinClaims {
        name: id.to_uppercase(),
        grants,
        ..JoinClaims::new(ParticipantId::parse(&id).expect("a name"), room_id())
    }
}

/// The deployment's own roles, besides the built-in ones.
const ROLES: &str = r#"{ "roles": {
    "observer": { "hidden": true, "record": true }, "speaker": { "camera": false, "screen": false, "metadata": true },
    "receptionist": { "admit": true }
}, "successors": ["cohost", "participant"] }"#;

/// The deployment's templates.
const TEMPLATES: &str = r#"{
    "lesson": { "room_type": "video", "participants_max": 3, "lobby": true, "features": { "recording": false }, "region": "EU" },
    "closed": { "room_type": "private", "invited": ["ada"] }, "shut": { "locked": true }
}"#;

pub(crate) fn resume_keys() -> ResumeKeys {
    ResumeKeys::derived([b"a secret of more than thirty-two bytes".as_slice()])
}

pub(crate) fn config() -> Config {
    Config {
        ice_servers: Vec::new(),
        turn_keys: Some(turn_keys()),
        resume_keys: resume_keys(),
        can_record: true,
        roles: Roles::parse(ROLES).expect("valid"),
        templates: Templates::parse(TEMPLATES).expect("valid"),
        regions: ["EU", "local"].iter().filter_map(|name| Region::parse(name).ok()).collect(),
    }
}

pub(crate) fn room_id() -> RoomId {
    RoomId::parse("daily").expect("a name")
}
