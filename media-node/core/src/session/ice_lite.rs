//! The lite half of ICE (RFC 8445 §2.5): answers connectivity checks and remembers who passed them.

use crate::stun::{self, BindingRequest, Response, Role};
use aws_lc_rs::hmac;
use shared::rtp_parameters::IceParameters;
use std::net::SocketAddr;
use std::time::Instant;

/// Most addresses of one client that are remembered: host, VPN, IPv4, IPv6, relays and a few NAT rebindings.
pub const ADDRESSES_PER_SESSION_MAX: usize = 8;

/// One client's ICE agent on our side: always lite, so always controlled (RFC 8445 §6.1.1).
#[derive(Debug)]
pub struct IceLite {
    node_ufrag: Box<str>,
    client_ufrag: Box<str>,
    key: hmac::Key,
    /// Addresses that passed a check, the latest last.
    verified: Vec<SocketAddr>,
    selected: Option<SocketAddr>,
    is_nominated: bool,
    last_check_at: Option<Instant>,
}

/// What came of an authentic check.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// To be sent back to where the check came from.
    pub answer: Vec<u8>,
    /// Whether the address may be used from here on.
    pub is_verified: bool,
    /// An address that had to make room for it.
    pub forgotten: Option<SocketAddr>,
}

impl IceLite {
    /// An agent that nobody has checked yet.
    pub fn new(parameters: &IceParameters) -> Self {
        Self {
            node_ufrag: parameters.node_ufrag.as_str().into(),
            client_ufrag: parameters.client_ufrag.as_str().into(),
            key: stun::key(&parameters.node_pwd),
            verified: Vec::with_capacity(ADDRESSES_PER_SESSION_MAX),
            selected: None,
            is_nominated: false,
            last_check_at: None,
        }
    }

    /// Our user fragment: what the demultiplexer knows the session by.
    pub fn node_ufrag(&self) -> &str {
        &self.node_ufrag
    }

    /// Takes the credentials of an ICE restart. Media goes on between the old addresses until the new checks have
    /// nominated a pair (RFC 8445 §9).
    pub fn restart(&mut self, parameters: &IceParameters) {
        self.node_ufrag = parameters.node_ufrag.as_str().into();
        self.client_ufrag = parameters.client_ufrag.as_str().into();
        self.key = stun::key(&parameters.node_pwd);
        self.is_nominated = false;
    }

    /// Answers a check; nothing if it is not authentic.
    pub fn handle_check(&mut self, now: Instant, from: SocketAddr, request: &BindingRequest<'_>) -> Option<Checked> {
        let is_ours = request.receiver_ufrag == &*self.node_ufrag && request.sender_ufrag == &*self.client_ufrag;
        if !is_ours || !request.is_authentic(&self.key) {
            return None;
        }
        // RFC 8489 §6.3.1: before anything else is looked at.
        if !request.unknown().types().is_empty() {
            return Some(self.refuse(Response::UnknownAttribute, request));
        }
        // RFC 8445 §6.1.1 makes the full agent controlling against a lite one. One that believes otherwise takes the
        // other role when it hears 487 (§7.2.5.1), and until then would wait for a nomination that never comes.
        if request.role == Some(Role::Controlled) {
            return Some(self.refuse(Response::RoleConflict, request));
        }
        self.last_check_at = Some(now);
        let forgotten = self.remember(from);
        if request.use_candidate {
            // The newest nomination counts: this is how a client moves to another network.
            self.selected = Some(from);
            self.is_nominated = true;
        }
        let answer = Response::Success { mapped: from }.to_vec(request, &self.key);
        Some(Checked { answer, is_verified: true, forgotten })
    }

    /// A DTLS datagram came from this verified address: before nomination that is where answers go, because browsers
    /// start the handshake tens of milliseconds before they nominate.
    pub fn note_dtls_from(&mut self, from: SocketAddr) {
        if !self.is_nominated && self.verified.contains(&from) {
            self.selected = Some(from);
        }
    }

    /// Where this client's datagrams go.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Addresses that passed a check.
    pub fn verified(&self) -> &[SocketAddr] {
        &self.verified
    }

    /// When the client last proved that it still wants to hear from us (RFC 7675 §5.1).
    pub fn last_check_at(&self) -> Option<Instant> {
        self.last_check_at
    }

    /// Another session has verified this address: it is no longer ours to send to.
    pub fn forget(&mut self, address: SocketAddr) {
        self.verified.retain(|known| *known != address);
        if self.selected == Some(address) {
            self.selected = self.verified.last().copied();
            self.is_nominated = false;
        }
    }

    fn refuse(&self, response: Response, request: &BindingRequest<'_>) -> Checked {
        Checked { answer: response.to_vec(request, &self.key), is_verified: false, forgotten: None }
    }

    /// Puts `from` last, and gives up the address that was verified longest ago if there are too many.
    fn remember(&mut self, from: SocketAddr) -> Option<SocketAddr> {
        self.verified.retain(|known| *known != from);
        let mut forgotten = None;
        if self.verified.len() >= ADDRESSES_PER_SESSION_MAX {
            let oldest = self.verified.iter().position(|known| Some(*known) != self.selected)?;
            forgotten = Some(self.verified.remove(oldest));
        }
        self.verified.push(from);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::Request;
    use crate::virtual_time::start;
    use std::time::Duration;

    fn agent() -> IceLite {
        IceLite::new(&parameters("node"))
    }

    fn parameters(node_ufrag: &str) -> IceParameters {
        IceParameters {
            node_ufrag: node_ufrag.into(),
            node_pwd: "secret".into(),
            client_ufrag: "client".into(),
            client_pwd: String::new(),
        }
    }

    fn address(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn request(use_candidate: bool) -> Request<'static> {
        Request {
            transaction: [7; 12],
            receiver_ufrag: "node",
            sender_ufrag: "client",
            use_candidate,
            role: Role::Controlling,
        }
    }

    fn check(agent: &mut IceLite, from: u16, request: Request<'_>, password: &str) -> Option<Checked> {
        let message = request.to_vec(&stun::key(password));
        let request = BindingRequest::parse(&message).expect("well formed");
        agent.handle_check(start(), address(from), &request)
    }

    #[test]
    fn a_check_verifies_and_a_nomination_selects() {
        let mut agent = agent();
        assert!(check(&mut agent, 1, request(false), "secret").is_some_and(|checked| checked.is_verified));
        assert_eq!((agent.verified(), agent.selected()), (&[address(1)][..], None));
        check(&mut agent, 2, request(true), "secret");
        assert_eq!(agent.selected(), Some(address(2)));
        check(&mut agent, 1, request(false), "secret");
        assert_eq!(agent.selected(), Some(address(2)), "a check without nomination moves nothing");
        check(&mut agent, 3, request(true), "secret");
        assert_eq!(agent.selected(), Some(address(3)), "the client moved");
    }

    #[test]
    fn strangers_get_silence() {
        for (changed, password) in [
            (request(true), "wrong"),
            (Request { receiver_ufrag: "other", ..request(true) }, "secret"),
            (Request { sender_ufrag: "other", ..request(true) }, "secret"),
        ] {
            let mut agent = agent();
            assert_eq!(check(&mut agent, 1, changed, password), None);
            assert_eq!((agent.verified(), agent.selected(), agent.last_check_at()), (&[][..], None, None));
        }
    }

    #[test]
    fn dtls_may_come_before_nomination_but_not_before_a_check() {
        let mut agent = agent();
        agent.note_dtls_from(address(1));
        assert_eq!(agent.selected(), None);
        check(&mut agent, 1, request(false), "secret");
        agent.note_dtls_from(address(1));
        assert_eq!(agent.selected(), Some(address(1)));
        check(&mut agent, 2, request(true), "secret");
        agent.note_dtls_from(address(1));
        assert_eq!(agent.selected(), Some(address(2)), "a nominated pair stays");
    }

    #[test]
    fn a_full_agent_that_takes_itself_for_controlled_is_corrected() {
        let mut agent = agent();
        let checked = check(&mut agent, 1, Request { role: Role::Controlled, ..request(true) }, "secret");
        let checked = checked.expect("authentic");
        assert_eq!(checked.answer[26..28], [4, 87]);
        assert!(!checked.is_verified && agent.verified().is_empty() && agent.last_check_at().is_none());
    }

    #[test]
    fn addresses_are_bounded_and_the_selected_one_stays() {
        let mut agent = agent();
        check(&mut agent, 1, request(true), "secret");
        let count = ADDRESSES_PER_SESSION_MAX as u16;
        for port in 2..=count {
            assert_eq!(check(&mut agent, port, request(false), "secret").and_then(|checked| checked.forgotten), None);
        }
        let checked = check(&mut agent, count + 1, request(false), "secret").expect("authentic");
        assert_eq!(checked.forgotten, Some(address(2)));
        assert_eq!(agent.verified().len(), ADDRESSES_PER_SESSION_MAX);
        assert_eq!(agent.selected(), Some(address(1)));
    }

    #[test]
    fn an_address_that_was_taken_over_is_not_sent_to() {
        let mut agent = agent();
        check(&mut agent, 1, request(false), "secret");
        check(&mut agent, 2, request(true), "secret");
        agent.forget(address(2));
        assert_eq!(agent.selected(), Some(address(1)));
        agent.forget(address(1));
        assert_eq!(agent.selected(), None);
    }

    #[test]
    fn a_restart_changes_the_credentials_and_keeps_the_path() {
        let mut agent = agent();
        check(&mut agent, 1, request(true), "secret");
        agent.restart(&parameters("next"));
        assert_eq!(agent.selected(), Some(address(1)));
        assert_eq!(check(&mut agent, 1, request(true), "secret"), None, "the old credentials are gone");
        assert!(check(&mut agent, 2, Request { receiver_ufrag: "next", ..request(true) }, "secret").is_some());
        assert_eq!(agent.selected(), Some(address(2)));
    }

    #[test]
    fn every_accepted_check_renews_consent() {
        let mut agent = agent();
        let message = request(false).to_vec(&stun::key("secret"));
        let request = BindingRequest::parse(&message).expect("well formed");
        for seconds in [0, 5] {
            let now = start() + Duration::from_secs(seconds);
            agent.handle_check(now, address(1), &request);
            assert_eq!(agent.last_check_at(), Some(now));
        }
    }
}
