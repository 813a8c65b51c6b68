//! Offers and answers of a client.

use super::publish::Publisher;
use super::signaling::Asked;
use super::slot::Slot;
use super::transport::Transport;
use super::{Browser, Phase, Socket, answer, offer};
use shared::Mid;
use shared::rtp_parameters::MediaKind;
use shared::signal::{ClientToEdge, IceServer, NegotiateReason};

impl Browser {
    /// The text of an offer with the current layout.
    pub(super) fn write_offer(&mut self) -> String {
        self.offer_version += 1;
        let mut text = offer::write(self.guest.make, self.offer_version, &self.credentials, &self.offered.0);
        if self.guest.lacks_transport_cc {
            let is_other = |line: &&str| !line.contains("transport-wide-cc") && !line.ends_with(" transport-cc");
            text = text.split_inclusive("\r\n").filter(|line| is_other(&line.trim_end())).collect();
        }
        self.offered.1.clone_from(&text);
        text
    }

    /// Sends an offer; a second one only after the answer to the first.
    pub(super) fn negotiate(&mut self, reason: NegotiateReason) {
        if self.requests.is_pending(|asked| matches!(asked, Asked::Negotiate(_))) {
            return;
        }
        match reason {
            NegotiateReason::IceRestart | NegotiateReason::TransportDead => self.renew_credentials(),
            NegotiateReason::NewTransport => {
                self.transport = None;
                self.renew_publishers();
                self.renew_credentials();
            }
            NegotiateReason::Sections => {}
        }
        self.unanswered = Some(reason);
        let (offer, tracks) = (self.write_offer(), self.intents());
        self.ask(Asked::Negotiate(reason), ClientToEdge::Negotiate { offer, tracks, reason });
    }

    /// Restarts ICE by the user's wish, for instance because the network changed.
    pub fn restart_ice(&mut self, clock: &crate::clock::Clock) {
        self.clock = *clock;
        self.negotiate(NegotiateReason::IceRestart);
    }

    /// Its host has another address: the client restarts ICE.
    pub(crate) fn change_network(&mut self, clock: &crate::clock::Clock, address: std::net::IpAddr) {
        self.address = address;
        self.restart_ice(clock);
    }

    /// Opens a new `RTCPeerConnection`, as if the browser could not move its transport.
    pub fn renew_transport(&mut self, clock: &crate::clock::Clock) {
        self.clock = *clock;
        self.negotiate(NegotiateReason::NewTransport);
    }

    /// A new connection has new senders, whose streams begin anew.
    fn renew_publishers(&mut self) {
        let participant = self.guest.participant.as_str();
        for (publisher, section) in self.publishers.iter_mut().zip(&mut self.offered.0) {
            let (mid, source, is_muted) = (publisher.mid.clone(), publisher.source, publisher.is_muted);
            let is_layered = publisher.streams().count() > 1;
            let picture_interval = publisher.picture_interval;
            *publisher = Publisher::new(&self.clock, &mut self.random, participant, mid, source);
            publisher.picture_interval = picture_interval;
            if is_layered {
                *publisher = publisher.clone().in_layers(&self.clock, &mut self.random, participant);
            }
            publisher.is_muted = is_muted;
            *section = publisher.section();
        }
    }

    /// Adds the receive slots that the edge has asked for, and offers them; not before an earlier offer is answered.
    pub(super) fn take_more_slots(&mut self) {
        let Some((audio, video)) = self.knowledge.sections_needed.filter(|_| self.guest.takes_more_slots) else {
            return;
        };
        let is_busy = self.unanswered.is_some() || self.requests.is_pending(|asked| asked == Asked::Resume);
        if self.phase != Phase::Inside || self.socket != Socket::Open || is_busy {
            return;
        }
        let wanted = usize::from(audio.max(video));
        let have = self.offered.0.iter().filter(|section| section.purpose == offer::Purpose::Receive).count() / 2;
        if have >= wanted {
            return;
        }
        for _ in have..wanted {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                let mid = Mid::parse(&self.offered.0.len().to_string()).expect("digits");
                self.offered.0.push(offer::Section { mid, kind, purpose: offer::Purpose::Receive, layers: Vec::new() });
            }
        }
        self.negotiate(NegotiateReason::Sections);
    }

    /// Handles an answer and its servers as a browser does.
    pub(super) fn apply_answer(&mut self, text: &str, servers: &[IceServer]) {
        self.unanswered = None;
        let (sections, offer) = (&self.offered.0, std::mem::take(&mut self.offered.1));
        let answer = match answer::read(text, &offer, sections) {
            Ok(answer) => answer,
            Err(error) => return self.breach(format!("the answer cannot be applied: {error}")),
        };
        if answer.candidates.is_empty() {
            self.breach("the answer names no candidate".into());
        }
        for section in &answer.sections {
            let publisher = self.publishers.iter_mut().find(|publisher| publisher.mid == section.mid);
            match (publisher, section.ssrc) {
                (Some(publisher), _) => publisher.negotiated(section),
                (None, Some(ssrc)) => self.set_slot(ssrc, section),
                (None, None) => {}
            }
        }
        self.apply_transport(&answer, servers);
    }

    fn set_slot(&mut self, ssrc: u32, section: &answer::Section) {
        let is_known = self.slots.get(&ssrc).is_some_and(|slot| slot.section() == section);
        if is_known {
            return;
        }
        if self.slots.contains_key(&ssrc) {
            self.breach(format!("the SSRC of section {} is another section's, or changed", section.mid));
        }
        self.slots.retain(|_, slot| slot.section().mid != section.mid);
        self.slots.insert(ssrc, Slot::new(section.clone()));
    }

    fn apply_transport(&mut self, answer: &answer::Answer, servers: &[IceServer]) {
        let (clock, local, own) = (self.clock, self.local(), self.credentials.clone());
        match &mut self.transport {
            Some(transport) if transport.answers(answer) => return,
            Some(transport) => {
                let is_renewed = transport.restart(&clock, local, &own, answer);
                if is_renewed {
                    self.forget_streams();
                }
            }
            None => {
                let who = (self.guest.make, self.identity.clone());
                self.transport = Some(Transport::new(&clock, who, local, &own, answer));
                self.forget_streams();
            }
        }
        if let Some(transport) = &mut self.transport {
            transport.gather(&clock, servers);
        }
    }

    /// With another node or another transport, streams begin anew.
    fn forget_streams(&mut self) {
        (self.arrivals, self.arrivals_at) = (None, None);
        for slot in self.slots.values_mut() {
            *slot = Slot::new(slot.section().clone());
        }
    }

    pub(super) fn handle_connected(&mut self) {
        self.connected_at.get_or_insert(self.clock.now());
        self.publishers.iter_mut().for_each(|publisher: &mut Publisher| publisher.rekeyed(&self.clock));
    }
}
