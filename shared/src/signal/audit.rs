//! The audit trail of a room: its moderators' and the application's acts.

use crate::ids::{ParticipantId, RoleName};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    Kick,
    Ban,
    LiftBan,
    AdmitGuest,
    RefuseGuest,
    MuteTrack,
    HoldTrack,
    LowerHand,
    UpdateParticipant,
    /// The next participant took over from a host who had left.
    SucceedHost,
    UpdateRoom,
    StartRoom,
    PauseRoom,
    ResumeRoom,
    EndRoom,
    StartRecording,
    StopRecording,
}

/// One act, kept for a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ActInfo {
    /// Milliseconds since 1970.
    pub at: UnixMillis,
    /// Null if the application's server acted, or the room by itself.
    pub by: Option<ParticipantId>,
    pub act: ActKind,
    /// The participant whom it concerned; null if it concerned the room.
    pub participant: Option<ParticipantId>,
    /// The role that the participant got; null if it kept its role.
    pub role: Option<RoleName>,
    /// The text that was shown to the participants concerned.
    pub reason: Option<String>,
}
