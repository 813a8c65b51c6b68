//! Client requests, and the only parser for their frames.

use super::{BanTerm, PeerSignal, Reaction, RoomChange, TrackSource};
use crate::error_code::ErrorCode;
use crate::ids::{AttemptId, MessageId, Mid, ParticipantId, RoleName, SessionId, TrackId};
use crate::json::{Document, Reader, tagged};
use crate::limits;
use crate::sorted::SortedMap;
use crate::text::Text;
use crate::token::{Bandwidth, Grants};
use serde::{Deserialize, Serialize};

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ClientToEdge {
    /// Joins the room. Answered by `joined` or `error`.
    Join {
        /// The client's id for this attempt; repeating a join with the same id joins only once.
        attempt: AttemptId,
        /// The SDP offer (RFC 8829).
        offer: String,
        /// Describes the published sections.
        #[serde(default)]
        tracks: Vec<TrackIntent>,
    },
    /// Continues a session after its socket was lost. Answered by `resumed` or `error`.
    Resume {
        /// The session from `joined`.
        session: SessionId,
        /// The latest secret from `joined` or `resumed`.
        resume_token: String,
        /// The number of the client's last chat message; if absent, the edge sends all messages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        chat_after: Option<u64>,
        /// The last `revision` of the roster that the client has received; if absent, the edge sends the complete roster.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        revision: Option<u64>,
    },
    /// A new offer: more slots, other tracks, or an ICE restart. Answered by `negotiated` or `error`.
    Negotiate {
        /// The new SDP offer.
        offer: String,
        /// Describes the published sections.
        #[serde(default)]
        tracks: Vec<TrackIntent>,
        reason: NegotiateReason,
    },
    /// Mutes or unmutes one of the client's own tracks.
    SetMuted {
        /// The section that publishes it.
        mid: Mid,
        muted: bool,
    },
    /// The participants whose video is on screen, most important first; replaces the previous view.
    View {
        /// At most 24.
        participants: Vec<ParticipantId>,
        /// The height of each participant's tile in device pixels. A camera without an entry has no limit, and a camera
        /// outside the view is not sent; without the field all cameras are sent, without a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "{ readonly [participant: ParticipantId]: number }"))]
        lines: Option<SortedMap<ParticipantId, u16>>,
    },
    /// Sends a chat message; needs the grant `chat`. Repeating a message with the same id stores it once.
    Chat {
        /// The client's id for the message.
        message: MessageId,
        text: String,
    },
    /// Shows a reaction briefly; needs the grant `chat`.
    React { reaction: Reaction },
    /// Raises or lowers the participant's own hand; needs the grant `chat`.
    RaiseHand { raised: bool },
    /// Lowers a participant's hand; needs the grant `moderate`.
    LowerHand { participant: ParticipantId },
    /// Looks for participants who publish; everybody else hears it. Needs the grant `subscribe`.
    Seek {},
    /// Tells one participant something about a connection between the two; the grants of both decide.
    Signal {
        to: ParticipantId,
        /// The client's id for the message, with which its receiver knows a repetition.
        message: MessageId,
        /// Names the connection, so that the receiver can ignore what belongs to an earlier one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        link: Option<u32>,
        signal: PeerSignal,
    },
    /// Asks for TURN servers that reach other participants, in a room that lets them connect. Answered by `peer_servers`.
    ListPeerServers {},
    /// Reports that the client receives the media of all others directly, or that it does not.
    ReportDirect {
        /// Of `direct` in the room's properties.
        number: u32,
        up: bool,
    },
    /// Removes a participant; needs the grant `moderate`.
    Kick {
        participant: ParticipantId,
        /// Shown to the participant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        reason: Option<String>,
        /// Also bans the participant, who need not be in the room then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        ban: Option<BanTerm>,
    },
    /// Lists the bans; needs the grant `moderate`. Answered by `bans`.
    ListBans {},
    /// Lists the participants who are only counted, in the order of their ids. Answered by `audience`.
    ListAudience {
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        after: Option<ParticipantId>,
    },
    /// Lifts a ban; needs the grant `moderate`.
    LiftBan { participant: ParticipantId },
    /// Admits a waiting guest; needs the grant `moderate` or `admit`.
    AdmitGuest { participant: ParticipantId },
    /// Refuses a waiting guest; needs the grant `moderate` or `admit`.
    RefuseGuest { participant: ParticipantId },
    /// Mutes another participant's track until its publisher unmutes it with `set_muted`; needs the grant `moderate`.
    MuteTrack {
        participant: ParticipantId,
        track: TrackId,
        /// Also takes the grant for the track's source, so that the publisher cannot unmute it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
        hold: bool,
    },
    /// Changes a participant's name, metadata, grants, role or bandwidth; needs the grant `moderate`, or `metadata` for one's
    /// own metadata. Absent fields stay unchanged.
    UpdateParticipant {
        participant: ParticipantId,
        #[serde(flatten)]
        change: ParticipantChange,
    },
    /// Changes the room; needs the grant `moderate`. Absent fields stay unchanged.
    UpdateRoom {
        #[serde(flatten)]
        change: RoomChange,
    },
    /// Starts the call without waiting for others or for `starts_at`; needs the grant `moderate`.
    StartRoom {},
    /// Pauses the call: nothing is forwarded or recorded until `resume_room`; needs the grant `moderate`.
    PauseRoom {
        /// Shown to everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        reason: Option<String>,
    },
    /// Ends the pause; needs the grant `moderate`.
    ResumeRoom {},
    /// Ends the room for everybody; needs the grant `moderate`.
    EndRoom {
        /// Shown to everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        reason: Option<String>,
    },
    /// Records all published tracks; needs the grant `record`. Has no effect while a recording runs.
    StartRecording {},
    /// Ends the running recording, if any; needs the grant `record`.
    StopRecording {},
    /// Leaves the room; answered by `done` and a normal close.
    Leave {},
}

/// Changes to a participant; absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default)]
pub struct ParticipantChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub name: Option<String>,
    /// Free text of the application, visible to everybody in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub metadata: Option<String>,
    /// Replaces all grants of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub grants: Option<Grants>,
    /// Replaces all grants of the token by those of the role. A new `host` takes the place of the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub role: Option<RoleName>,
    /// Replaces both limits of the token; without any, nothing is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub bandwidth: Option<Bandwidth>,
}

impl ParticipantChange {
    /// Checks what the types cannot express.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        self.name.as_ref().map_or(Ok(()), |name| Text::Name.check(name))?;
        self.metadata.as_ref().map_or(Ok(()), |metadata| Text::ParticipantMetadata.check(metadata))?;
        self.bandwidth.map_or(Ok(()), |bandwidth| bandwidth.check_bounds())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TrackIntent {
    /// The section's identification tag in the offer.
    pub mid: Mid,
    pub source: TrackSource,
    #[serde(default)]
    pub muted: bool,
}

/// The reason for a new offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum NegotiateReason {
    /// Other tracks or more slots, on the same transport.
    Sections,
    /// The client's addresses changed: an ICE restart on the same node.
    IceRestart,
    /// No RTP, RTCP or STUN reply arrived for 1.5 s, or the node is about to stop: any healthy node may answer.
    TransportDead,
    /// The client created a new `RTCPeerConnection`: nothing carries over from the previous transport.
    NewTransport,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFrame {
    /// The number that the answer repeats.
    pub id: Option<u32>,
    pub message: ClientToEdge,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too large for any frame, or for a frame of its type.
    #[error("the frame has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// The frame's `id`, if readable.
        id: Option<u32>,
        bytes: usize,
        bytes_max: usize,
    },
    /// Not a JSON object with a `type`.
    #[error("the frame is not a JSON object with a type")]
    Malformed { id: Option<u32> },
    /// An unknown `type`.
    #[error("no message has this type")]
    UnknownType { id: Option<u32> },
    /// A known `type` with invalid fields.
    #[error("{detail}")]
    Invalid {
        id: Option<u32>,
        /// The problem, for the client's developer.
        detail: Box<str>,
    },
}

impl FrameError {
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::FrameTooLarge,
            Self::Malformed { .. } => ErrorCode::MalformedFrame,
            Self::UnknownType { .. } => ErrorCode::UnknownMessage,
            Self::Invalid { .. } => ErrorCode::InvalidMessage,
        }
    }

    /// The frame's `id`, if readable.
    #[must_use]
    pub const fn id(&self) -> Option<u32> {
        match self {
            Self::TooLarge { id, .. }
            | Self::Malformed { id }
            | Self::UnknownType { id }
            | Self::Invalid { id, .. } => *id,
        }
    }
}

/// The `id` of a frame, which need not have one.
fn id_of(frame: Reader<'_, '_>) -> Result<Option<u32>, FrameError> {
    let Some(id) = field(frame, "id")?.filter(|id| !id.is_null()) else { return Ok(None) };
    let detail = "id must be an integer from 0 to 4294967295";
    let id = id.as_unsigned().and_then(|id| u32::try_from(id).ok());
    id.map(Some).ok_or_else(|| FrameError::Invalid { id: None, detail: detail.into() })
}

fn kind_of<'t>(frame: Reader<'t, '_>, id: Option<u32>) -> Result<&'t str, FrameError> {
    let kind = field(frame, "type")?.ok_or(FrameError::Malformed { id })?;
    kind.as_text().ok_or_else(|| FrameError::Invalid { id, detail: "type must be a string".into() })
}

fn field<'t, 'de>(frame: Reader<'t, 'de>, name: &'static str) -> Result<Option<Reader<'t, 'de>>, FrameError> {
    frame.field(name).map_err(|_| FrameError::Malformed { id: None })
}

impl ClientFrame {
    /// Parses one text frame; sizes are checked before anything is parsed.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let bytes = text.len();
        if bytes > limits::OFFER_FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { id: None, bytes, bytes_max: limits::OFFER_FRAME_BYTES_MAX });
        }
        let document = Document::parse(text).map_err(|_| FrameError::Malformed { id: None })?;
        let frame = document.reader();
        let id = id_of(frame)?;
        let Some(bytes_max) = ClientToEdge::frame_bytes_max(kind_of(frame, id)?) else {
            return Err(FrameError::UnknownType { id });
        };
        if bytes > bytes_max {
            return Err(FrameError::TooLarge { id, bytes, bytes_max });
        }
        let invalid = |detail: String| FrameError::Invalid { id, detail: detail.into() };
        let message: ClientToEdge = document.message().map_err(|error| invalid(error.to_string()))?;
        message.check_bounds().map_err(|detail| invalid(detail.into()))?;
        Ok(Self { id, message })
    }

    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Out<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<u32>,
            #[serde(flatten)]
            message: &'a ClientToEdge,
        }
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(&Out { id: self.id, message: &self.message }).unwrap_or_default()
    }
}

impl ClientToEdge {
    /// The largest frame of a `type`; `None` if the type does not exist.
    fn frame_bytes_max(kind: &str) -> Option<usize> {
        match kind {
            "join" | "negotiate" => Some(limits::OFFER_FRAME_BYTES_MAX),
            "resume" | "set_muted" | "view" | "kick" | "list_bans" | "list_audience" | "lift_ban" | "admit_guest"
            | "refuse_guest" | "mute_track" | "update_participant" | "update_room" | "start_room" | "pause_room"
            | "resume_room" | "end_room" | "start_recording" | "stop_recording" | "leave" => {
                Some(limits::SIGNAL_FRAME_BYTES_MAX)
            }
            "chat" | "react" | "raise_hand" | "lower_hand" | "seek" | "signal" | "list_peer_servers"
            | "report_direct" => Some(limits::SIGNAL_FRAME_BYTES_MAX),
            _ => None,
        }
    }

    /// Checks what the types cannot express.
    fn check_bounds(&self) -> Result<(), &'static str> {
        match self {
            Self::Join { tracks, .. } | Self::Negotiate { tracks, .. } => {
                if tracks.len() > limits::TRACKS_PER_PARTICIPANT_MAX {
                    return Err("too many tracks");
                }
                Ok(())
            }
            Self::Resume { resume_token, .. } if resume_token.len() > limits::RESUME_TOKEN_BYTES_MAX => {
                Err("resume_token is too long")
            }
            Self::View { participants, lines } => {
                let sizes = lines.as_ref().map_or(0, SortedMap::len);
                if participants.len().max(sizes) > limits::VIEW_PARTICIPANTS_MAX {
                    return Err("too many participants");
                }
                Ok(())
            }
            Self::Kick { reason, ban, .. } => {
                reason.as_deref().map_or(Ok(()), |reason| Text::Reason.check(reason))?;
                ban.as_ref().map_or(Ok(()), BanTerm::check_bounds)
            }
            Self::EndRoom { reason: Some(reason) } | Self::PauseRoom { reason: Some(reason) } => {
                Text::Reason.check(reason)
            }
            // Unknown fields are ignored, so a misspelt one would otherwise look like success.
            Self::UpdateParticipant { change, .. } if *change == ParticipantChange::default() => {
                Err("update_participant has none of the fields name, metadata, grants, role and bandwidth")
            }
            Self::UpdateRoom { change } if *change == RoomChange::default() => {
                Err("update_room has none of its fields")
            }
            Self::UpdateParticipant { change, .. } => change.check_bounds(),
            Self::UpdateRoom { change } => change.check_bounds(),
            Self::Chat { text, .. } => Text::Chat.check(text),
            Self::Signal { signal, .. } => signal.check_bounds(),
            Self::Resume { .. }
            | Self::SetMuted { .. }
            | Self::ListBans {}
            | Self::ListAudience { .. }
            | Self::LiftBan { .. }
            | Self::AdmitGuest { .. }
            | Self::RefuseGuest { .. }
            | Self::MuteTrack { .. }
            | Self::StartRoom {}
            | Self::PauseRoom { reason: None }
            | Self::ResumeRoom {}
            | Self::EndRoom { reason: None }
            | Self::StartRecording {}
            | Self::StopRecording {}
            | Self::React { .. }
            | Self::RaiseHand { .. }
            | Self::LowerHand { .. }
            | Self::Seek {}
            | Self::ListPeerServers {}
            | Self::ReportDirect { .. }
            | Self::Leave {} => Ok(()),
        }
    }
}
