//! Forwards a node's reports to clients: which layers are in use, which slots the downlink limits, and which video the client
//! cannot decode.

use super::Room;
use super::media_session::Limits;
use shared::rtp_parameters::Flow;
use shared::signal::{EdgeToClient, VideoLimit};
use shared::{Mid, ParticipantId, SessionId};

impl Room {
    /// Handles the layers of a published track that are in use.
    pub(super) fn layers_wanted(&mut self, id: &SessionId, epoch: u64, mid: &Mid, rids: &[String]) {
        let Some(session) = self.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
        let published = session.sections().find(|section| section.mid == *mid && section.flow == Flow::ClientToNode);
        let encodings = published.map_or(&[][..], |section| &section.encodings);
        let layers: Vec<String> = encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect();
        let wanted: Vec<String> = layers.iter().filter(|rid| rids.contains(rid)).cloned().collect();
        if layers.is_empty() || session.layers.get(mid) == Some(&wanted) {
            return;
        }
        self.news.layers.insert((session.participant.clone(), mid.clone()));
        if let Some(session) = self.sessions.get_mut(id) {
            session.layers.insert(mid.clone(), wanted);
        }
    }

    /// The downlink of a client is too slow for the video in these slots, and in no others.
    pub(super) fn video_limited(&mut self, id: &SessionId, epoch: u64, estimate_bps: u32, slots: Vec<VideoLimit>) {
        let Some(session) = self.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
        let is_slot = |limit: &VideoLimit| session.slots().any(|(mid, _, _)| *mid == limit.mid);
        let mut known = slots;
        known.retain(is_slot);
        let limits = Limits { estimate_bps, slots: known };
        if session.limits.slots == limits.slots {
            return;
        }
        self.news.limits.insert(session.participant.clone());
        if let Some(session) = self.sessions.get_mut(id) {
            session.limits = limits;
        }
    }

    /// A client cannot read the codec of the video in these slots, and in no others.
    pub(super) fn video_undecodable(&mut self, id: &SessionId, epoch: u64, mids: &[Mid]) {
        let Some(session) = self.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
        let slots = session.slots().map(|(mid, _, _)| mid);
        let undecodable: Vec<_> = slots.filter(|mid| mids.contains(mid)).cloned().collect();
        if session.undecodable == undecodable {
            return;
        }
        self.news.undecodable.insert(session.participant.clone());
        if let Some(session) = self.sessions.get_mut(id) {
            session.undecodable = undecodable;
        }
    }

    /// Repeats the reports that a resumed client may have missed.
    pub(super) fn repeat_adaptation(&mut self, participant: &ParticipantId) {
        let session = self.members.get(participant).and_then(|member| self.sessions.get(&member.session));
        let Some(session) = session else { return };
        self.news.layers.extend(session.layers.keys().map(|mid| (participant.clone(), mid.clone())));
        if !session.limits.slots.is_empty() {
            self.news.limits.insert(participant.clone());
        }
        if !session.undecodable.is_empty() {
            self.news.undecodable.insert(participant.clone());
        }
    }

    pub(super) fn tell_adaptation(
        &mut self,
        layers: impl IntoIterator<Item = (ParticipantId, Mid)>,
        limits: impl IntoIterator<Item = ParticipantId>,
        undecodable: impl IntoIterator<Item = ParticipantId>,
    ) {
        for (participant, mid) in layers {
            let session = self.members.get(&participant).and_then(|member| self.sessions.get(&member.session));
            if let Some(rids) = session.and_then(|session| session.layers.get(&mid)).cloned() {
                self.tell(&participant, EdgeToClient::LayersWanted { mid, rids });
            }
        }
        for participant in limits {
            let session = self.members.get(&participant).and_then(|member| self.sessions.get(&member.session));
            if let Some(Limits { estimate_bps, slots }) = session.map(|session| session.limits.clone()) {
                self.tell(&participant, EdgeToClient::VideoLimited { estimate_bps, slots });
            }
        }
        for participant in undecodable {
            let session = self.members.get(&participant).and_then(|member| self.sessions.get(&member.session));
            if let Some(mids) = session.map(|session| session.undecodable.clone()) {
                self.tell(&participant, EdgeToClient::VideoUndecodable { mids });
            }
        }
    }
}
