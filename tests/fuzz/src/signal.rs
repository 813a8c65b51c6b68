//! Signaling: a readable frame survives a write and another read, and an unreadable one gets a code.

use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, FrameError, ParticipantChange, RoomChange};
use shared::{ErrorCode, Text, limits};

/// Reads `bytes` as a frame of either side.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_client_frame(text);
    if let Ok(message) = serde_json::from_str::<EdgeToClient>(text) {
        let again = serde_json::from_str::<EdgeToClient>(&message.to_json());
        assert_eq!(again.expect("what we accept, we can say again"), message);
    }
}

fn check_client_frame(text: &str) {
    if !text.trim_start().starts_with('{') {
        let code = ClientFrame::parse(text).expect_err("not an object").code();
        assert!(matches!(code, ErrorCode::MalformedFrame | ErrorCode::FrameTooLarge));
        return;
    }
    let frame = match ClientFrame::parse(text) {
        Ok(frame) => frame,
        Err(error) => {
            assert!(ErrorCode::ALL.contains(&error.code()));
            assert!(error.id().is_none() || text.contains("id"));
            return;
        }
    };
    check_bounds(text, &frame.message);
    match ClientFrame::parse(&frame.to_json()) {
        Ok(again) => assert_eq!(again, frame),
        // A character may take more bytes in our JSON than in theirs.
        Err(FrameError::TooLarge { .. }) => {}
        Err(error) => panic!("what we accept, we can say again: {error}"),
    }
}

fn check_bounds(text: &str, message: &ClientToEdge) {
    let bytes_max = match message {
        ClientToEdge::Join { tracks, .. } | ClientToEdge::Negotiate { tracks, .. } => {
            assert!(tracks.len() <= limits::TRACKS_PER_PARTICIPANT_MAX);
            limits::OFFER_FRAME_BYTES_MAX
        }
        ClientToEdge::View { participants, lines } => {
            assert!(lines.as_ref().map_or(0, |lines| lines.len()) <= limits::VIEW_PARTICIPANTS_MAX);
            assert!(participants.len() <= limits::VIEW_PARTICIPANTS_MAX);
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Kick { reason, .. } | ClientToEdge::EndRoom { reason } | ClientToEdge::PauseRoom { reason } => {
            check_text(Text::Reason, reason.as_deref());
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::UpdateParticipant { change, .. } => {
            assert_ne!(*change, ParticipantChange::default());
            check_text(Text::Name, change.name.as_deref());
            check_text(Text::ParticipantMetadata, change.metadata.as_deref());
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::UpdateRoom { change } => {
            assert_ne!(*change, RoomChange::default());
            check_text(Text::RoomMetadata, change.metadata.as_deref());
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Chat { text, .. } => {
            check_text(Text::Chat, Some(text));
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Signal { signal, .. } => {
            assert!(signal.candidates.len() <= limits::PEER_CANDIDATES_PER_FRAME);
            assert!(signal.sdp.is_none() || signal.candidates.is_empty());
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Resume { .. }
        | ClientToEdge::Seek {}
        | ClientToEdge::ListPeerServers {}
        | ClientToEdge::ReportDirect { .. }
        | ClientToEdge::SetMuted { .. }
        | ClientToEdge::ListBans {}
        | ClientToEdge::ListAudience { .. }
        | ClientToEdge::LiftBan { .. }
        | ClientToEdge::MuteTrack { .. }
        | ClientToEdge::AdmitGuest { .. }
        | ClientToEdge::RefuseGuest { .. }
        | ClientToEdge::StartRoom {}
        | ClientToEdge::ResumeRoom {}
        | ClientToEdge::StartRecording {}
        | ClientToEdge::StopRecording {}
        | ClientToEdge::React { .. }
        | ClientToEdge::RaiseHand { .. }
        | ClientToEdge::LowerHand { .. }
        | ClientToEdge::Leave {} => limits::SIGNAL_FRAME_BYTES_MAX,
    };
    assert!(text.len() <= bytes_max);
}

/// No accepted text imitates another one, breaks a line or is invisible.
fn check_text(field: Text, text: Option<&str>) {
    let Some(text) = text else { return };
    assert_eq!(field.check(text), Ok(()));
    assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
    assert!(!text.contains(['\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}']));
    assert!(text.is_empty() || text.chars().any(|c| !c.is_whitespace() && c != '\u{200b}'));
}
