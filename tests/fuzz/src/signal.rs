//! Signaling: a frame that is read can be written and read again, and one that is not gets a code.

use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, FrameError};
use shared::{ErrorCode, limits};

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
        // A character may take more bytes in our JSON than it took in theirs.
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
        ClientToEdge::View { participants } => {
            assert!(participants.len() <= limits::VIEW_PARTICIPANTS_MAX);
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Kick { reason, .. } | ClientToEdge::EndRoom { reason } => {
            assert!(reason.as_ref().is_none_or(|reason| reason.chars().count() <= limits::REASON_CHARS_MAX));
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::UpdateParticipant { change, .. } => {
            assert!(change.name.as_ref().is_none_or(|name| name.chars().count() <= limits::NAME_CHARS_MAX));
            assert!(
                change
                    .metadata
                    .as_ref()
                    .is_none_or(|text| text.chars().count() <= limits::PARTICIPANT_METADATA_CHARS_MAX)
            );
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::UpdateRoom { change } => {
            assert!(
                change.metadata.as_ref().is_none_or(|text| text.chars().count() <= limits::ROOM_METADATA_CHARS_MAX)
            );
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Chat { text, .. } => {
            assert!(!text.trim().is_empty() && text.len() <= limits::CHAT_TEXT_BYTES_MAX);
            limits::SIGNAL_FRAME_BYTES_MAX
        }
        ClientToEdge::Resume { .. }
        | ClientToEdge::SetMuted { .. }
        | ClientToEdge::ListBans {}
        | ClientToEdge::LiftBan { .. }
        | ClientToEdge::MuteTrack { .. }
        | ClientToEdge::StartRecording {}
        | ClientToEdge::StopRecording {}
        | ClientToEdge::React { .. }
        | ClientToEdge::RaiseHand { .. }
        | ClientToEdge::LowerHand { .. }
        | ClientToEdge::Leave {} => limits::SIGNAL_FRAME_BYTES_MAX,
    };
    assert!(text.len() <= bytes_max);
}
