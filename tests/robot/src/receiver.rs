//! Turns one slot's RTP packets into the frames of its current publisher.

mod assembler;
mod reorder;

use assembler::Assembler;
use bytes::Bytes;
use reorder::Reorder;
use rtc::rtp;
use shared::rtp_parameters::MediaKind;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// Identifies the track: [`shared::signal::TrackInfo::csrc`].
    pub csrc: u32,
    pub kind: MediaKind,
    /// The slot's RTP timestamp.
    pub timestamp: u32,
    /// As encoded by the publisher.
    pub data: Bytes,
}

/// A frame with the time of its arrival.
pub(crate) type Arrived = (Instant, ReceivedFrame);

/// Reads one slot's stream until it ends or the receiver is dropped.
pub(crate) async fn read(track: Arc<dyn TrackRemote>, kind: MediaKind, received: mpsc::Sender<Arrived>) {
    let mut stream = Stream::new(kind);
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        for frame in stream.take(packet) {
            match received.try_send((Instant::now(), frame)) {
                // A slow receiver loses frames, as on a network.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }
}

/// One slot's stream: reorders packets and assembles frames.
struct Stream {
    reorder: Reorder,
    assembler: Assembler,
}

impl Stream {
    fn new(kind: MediaKind) -> Self {
        Self { reorder: Reorder::default(), assembler: Assembler::new(kind) }
    }

    fn take(&mut self, packet: rtp::Packet) -> Vec<ReceivedFrame> {
        self.reorder.push(packet);
        let mut frames = Vec::new();
        while let Some(next) = self.reorder.pop() {
            frames.extend(self.assembler.take(next));
        }
        frames
    }
}
