//! What the nodes are ordered to record.

use super::super::Room;
use shared::control::{RecordedParticipant, RecordedTrack, RecordingOrder, TrackRef};
use std::collections::BTreeMap;

impl Room {
    /// What the nodes shall record, by epoch.
    pub(in crate::room) fn recording_orders(&self) -> BTreeMap<u64, RecordingOrder> {
        let running = self.recordings.iter().find(|(_, recording)| recording.state.is_running());
        let Some((id, recording)) = running else { return BTreeMap::new() };
        let order = |epoch: &u64| RecordingOrder {
            recording: id.clone(),
            key_prefix: recording.key_prefix.clone(),
            started_at: recording.started_at,
            participants: self.recorded_participants(*epoch),
        };
        let epochs = recording.segments.keys().filter(|epoch| self.assignments.contains(epoch));
        epochs.map(|epoch| (*epoch, order(epoch))).collect()
    }

    /// Who publishes through the node of this assignment.
    fn recorded_participants(&self, epoch: u64) -> Vec<RecordedParticipant> {
        let here = |session| self.sessions.get(session).is_some_and(|session| session.epoch == Some(epoch));
        let publishes = self.members.values().filter(|member| !member.tracks.is_empty() && here(&member.session));
        let participants = publishes.map(|member| RecordedParticipant {
            id: member.id.clone(),
            name: member.name.clone(),
            tracks: member
                .tracks
                .iter()
                .map(|track| RecordedTrack {
                    id: track.id.clone(),
                    track: TrackRef { session: member.session.clone(), mid: track.mid.clone() },
                    source: track.source,
                    muted: track.muted,
                })
                .collect(),
        });
        participants.collect()
    }

    /// Orders that differ from what their nodes were told.
    pub(in crate::room) fn changed_orders(&mut self) -> Vec<(u64, Option<RecordingOrder>)> {
        let orders = self.recording_orders();
        let told = std::mem::replace(&mut self.told_orders, orders);
        let ended = told.keys().filter(|epoch| !self.told_orders.contains_key(epoch)).map(|epoch| (*epoch, None));
        let set = self.told_orders.iter().filter(|(epoch, order)| told.get(epoch) != Some(order));
        ended.chain(set.map(|(epoch, order)| (*epoch, Some(order.clone())))).collect()
    }
}
