//! The recording orders for the nodes.

use super::super::Room;
use super::super::member::Member;
use super::super::track::Track;
use shared::UnixMillis;
use shared::control::{RecordedParticipant, RecordedTrack, RecordingOrder, TrackRef};
use std::collections::BTreeMap;

impl Room {
    /// The recording orders by epoch.
    pub(in crate::room) fn recording_orders(&self) -> BTreeMap<u64, RecordingOrder> {
        let running = self.recordings.iter().find(|(_, recording)| recording.state.is_running());
        let Some((id, recording)) = running else { return BTreeMap::new() };
        let order = |epoch: &u64| RecordingOrder {
            recording: id.clone(),
            key_prefix: recording.key_prefix.clone(),
            started_at: recording.started_at,
            sent_at: UnixMillis::default(),
            participants: self.recorded_participants(*epoch),
        };
        let epochs = recording.segments.keys().filter(|epoch| self.assignments.contains(epoch));
        epochs.map(|epoch| (*epoch, order(epoch))).collect()
    }

    /// All participants in the room, with their tracks on this assignment's node.
    fn recorded_participants(&self, epoch: u64) -> Vec<RecordedParticipant> {
        let here = |session| self.sessions.get(session).is_some_and(|session| session.epoch == Some(epoch));
        let track = |member: &Member, track: &Track| RecordedTrack {
            id: track.id.clone(),
            track: TrackRef { session: member.session.clone(), mid: track.mid.clone() },
            source: track.source,
            muted: track.muted,
        };
        let participants = self.members.values().map(|member| RecordedParticipant {
            id: member.id.clone(),
            name: member.name.clone(),
            tracks: match here(&member.session) {
                // What a moderator silenced is kept from everybody, and from the file.
                true => {
                    let heard = member.tracks.iter().filter(|published| !published.silenced);
                    heard.map(|published| track(member, published)).collect()
                }
                false => Vec::new(),
            },
        });
        participants.collect()
    }

    /// Orders that differ from those last sent.
    pub(in crate::room) fn changed_orders(&mut self) -> Vec<(u64, Option<RecordingOrder>)> {
        let is_same = self.members.changed().is_empty()
            && self.sessions.changed().is_empty()
            && self.assignments.changed().is_empty()
            && self.recordings.changed().is_empty();
        if is_same {
            return Vec::new();
        }
        let orders = self.recording_orders();
        let told = std::mem::replace(&mut self.told_orders, orders);
        let mut changed = Vec::new();
        for (epoch, order) in told.iter().filter(|(epoch, _)| !self.told_orders.contains_key(epoch)) {
            // The participant whose leaving ended it leaves first.
            let participants = self.recorded_participants(*epoch);
            if participants.len() < order.participants.len() {
                changed.push((*epoch, Some(RecordingOrder { participants, ..order.clone() })));
            }
            changed.push((*epoch, None));
        }
        let set = self.told_orders.iter().filter(|(epoch, order)| told.get(epoch) != Some(order));
        changed.extend(set.map(|(epoch, order)| (*epoch, Some(order.clone()))));
        changed
    }
}
