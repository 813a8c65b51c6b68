//! Sends encoded media at playback speed.

use crate::media_file::{Frame, MediaFile};
use crate::peer::LocalTrack;
use anyhow::Context;
use rtc::media::Sample;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use webrtc::media_stream::Track;

/// Publishes into the sections of the robot's join; may be cloned and used alongside [`crate::Robot::next`].
#[derive(Clone)]
pub struct Publisher {
    pub(crate) tracks: Vec<Arc<LocalTrack>>,
}

impl Publisher {
    /// Sends a whole file, video and audio in parallel; returns after the last frame's playing time.
    pub async fn publish_file(&self, file: &MediaFile) -> anyhow::Result<()> {
        let started = Instant::now();
        let video = self.publish(RtpCodecKind::Video, &file.video, started);
        let audio = self.publish(RtpCodecKind::Audio, &file.audio, started);
        tokio::try_join!(video, audio)?;
        Ok(())
    }

    async fn publish(&self, kind: RtpCodecKind, frames: &[Frame], started: Instant) -> anyhow::Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        let track = self.track(kind).await.context("the file has media that the robot did not join with")?;
        let payload_type = track.payload_type().await?;
        let mut at = Duration::ZERO;
        for frame in frames {
            tokio::time::sleep_until(started + at).await;
            at += frame.duration;
            let now = std::time::Instant::now();
            let sample = Sample { data: frame.data.clone(), duration: frame.duration, ..Sample::new(now) };
            track.track.write_sample(track.ssrc, payload_type, &sample, &[]).await.context("sending a frame")?;
        }
        tokio::time::sleep_until(started + at).await;
        Ok(())
    }

    async fn track(&self, kind: RtpCodecKind) -> Option<&LocalTrack> {
        for track in &self.tracks {
            if track.track.kind().await == kind {
                return Some(track);
            }
        }
        None
    }
}
