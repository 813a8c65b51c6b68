//! Requests an allocation from a TURN server directly (RFC 8656 §7), to learn the reason for a refusal, which WebRTC
//! stacks hide.

use shared::signal::IceServer;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;
use turn_core::auth::IntegrityKey;
use turn_core::message::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};

/// RFC 8656 §3.1: the default port.
const PORT: u16 = 3_478;
const TLS_PORT: u16 = 5_349;
/// RFC 8489 §6.2.1: over UDP a request is repeated until it is answered, at most this often.
const TRIES: u32 = 4;
/// Interval of the repetitions.
const TRY_TIMEOUT: Duration = Duration::from_millis(500);
/// A server may ask for a nonce, and for a newer one, before its decision.
const REQUESTS_MAX: u32 = 3;
/// Most addresses of one name that are tried.
pub(crate) const ADDRESSES_MAX: usize = 4;
/// RFC 8489 §14.8: a reason has fewer characters than this.
const REASON_CHARACTERS_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted,
    /// The server refused, with a reason.
    Refused {
        /// RFC 8656 §19, RFC 8489 §14.8.
        code: u16,
        /// In the server's words.
        reason: String,
    },
    /// No valid answer.
    Silence,
    /// The host name has no address.
    Nameless,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("allocates for a plain request, but not for a WebRTC client"),
            Self::Silence => f.write_str("does not answer: does its firewall allow inbound UDP to TURN_LISTEN?"),
            Self::Nameless => f.write_str("cannot be reached: its host name does not resolve"),
            Self::Refused { code, reason } => {
                write!(f, "refuses an allocation: {code} {reason}")?;
                match code {
                    401 | 441 => {
                        f.write_str(": do the Worker and the node have the same TURN_KEYS, and are their clocks right?")
                    }
                    486 => f.write_str(
                        ": this participant has reached TURN_ALLOCATIONS_PER_USER, or this address TURN_ALLOCATIONS_PER_ADDRESS",
                    ),
                    508 => f.write_str(": is the node draining, or are all of TURN_RELAY_PORTS in use?"),
                    _others => Ok(()),
                }
            }
        }
    }
}

/// Asks the server of a URL `turn:host[:port][?transport=udp]`.
pub(crate) async fn ask(server: &IceServer, url: &str) -> Answer {
    let addresses = match host_and_port(url) {
        Some((host, port)) => lookup_host((host, port)).await.map(|found| found.take(ADDRESSES_MAX).collect()),
        None => Ok(Vec::new()),
    };
    let addresses: Vec<SocketAddr> = addresses.unwrap_or_default();
    if addresses.is_empty() {
        return Answer::Nameless;
    }
    for address in addresses {
        let (username, password) = (server.username.as_deref(), server.credential.as_deref());
        let dialogue = Dialogue::new(username.unwrap_or_default(), password.unwrap_or_default());
        // Otherwise the next address may answer: an error here means "port unreachable", or no route to this address
        // family.
        if let Ok(Some(answer)) = talk(dialogue, address).await {
            return answer;
        }
    }
    Answer::Silence
}

/// RFC 7065 §3.1.
pub(crate) fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let (rest, unsaid) = match url.strip_prefix("turns:") {
        Some(rest) => (rest, TLS_PORT),
        None => (url.strip_prefix("turn:")?, PORT),
    };
    let authority = rest.split('?').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        // An IPv6 address ends with a bracket, so a colon inside it is no separator.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        Some(_) | None => (authority, unsaid),
    };
    Some((host.trim_start_matches('[').trim_end_matches(']'), port))
}

/// Repeats requests until the dialogue is over; `None` if the server is silent.
async fn talk(mut dialogue: Dialogue<'_>, address: SocketAddr) -> std::io::Result<Option<Answer>> {
    let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(address).await?;
    let mut buffer = [0; 2_048];
    let mut tries = 0;
    while tries < TRIES {
        tries += 1;
        socket.send(&dialogue.request()).await?;
        let Ok(received) = timeout(TRY_TIMEOUT, socket.recv(&mut buffer)).await else { continue };
        match dialogue.take(buffer.get(..received?).unwrap_or_default()) {
            Step::Ignored => {}
            Step::AskAgain => tries = 0,
            Step::Over(answer) => {
                if answer == Answer::Granted {
                    socket.send(&dialogue.release()).await?;
                }
                return Ok(Some(answer));
            }
        }
    }
    Ok(None)
}

pub(crate) struct Dialogue<'c> {
    username: &'c str,
    password: &'c str,
    transaction: TransactionId,
    requests: u32,
    /// Realm and nonce, once the server has sent them.
    challenge: Option<(String, Vec<u8>)>,
}

/// The outcome of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not an answer to the last request.
    Ignored,
    AskAgain,
    Over(Answer),
}

impl<'c> Dialogue<'c> {
    pub(crate) fn new(username: &'c str, password: &'c str) -> Self {
        // RFC 8489 §5 requires transaction ids to be hard to guess. Here the port is: one conversation uses it, and it
        // hears one address.
        Self { username, password, transaction: *b"doctor 00000", requests: 0, challenge: None }
    }

    /// The request to send, and to repeat while there is no answer.
    pub(crate) fn request(&self) -> Vec<u8> {
        const UDP: [u8; 4] = [17, 0, 0, 0];
        self.write(Method::Allocate, AttributeType::REQUESTED_TRANSPORT, &UDP)
    }

    /// Ends the allocation (RFC 8656 §8: a lifetime of zero), so that it does not count against the participant's
    /// quota.
    pub(crate) fn release(&self) -> Vec<u8> {
        self.write(Method::Refresh, AttributeType::LIFETIME, &[0; 4])
    }

    fn write(&self, method: Method, kind: AttributeType, value: &[u8]) -> Vec<u8> {
        let writer = MessageWriter::new(method, Class::Request, self.transaction).with(kind, value);
        let Some((realm, nonce)) = &self.challenge else { return writer.finish() };
        writer
            .with(AttributeType::USERNAME, self.username.as_bytes())
            .with(AttributeType::REALM, realm.as_bytes())
            .with(AttributeType::NONCE, nonce)
            .signed(&IntegrityKey::long_term(self.username, realm, self.password))
            .finish()
    }

    pub(crate) fn take(&mut self, datagram: &[u8]) -> Step {
        let Some(message) = Message::parse(datagram).filter(|message| message.transaction == self.transaction) else {
            return Step::Ignored;
        };
        match message.class {
            Class::Request | Class::Indication => Step::Ignored,
            Class::Success => Step::Over(Answer::Granted),
            Class::Error => self.take_error(&message),
        }
    }

    fn take_error(&mut self, message: &Message<'_>) -> Step {
        let Some((code, reason)) = message.value(AttributeType::ERROR_CODE).and_then(error) else {
            return Step::Ignored;
        };
        let text = |kind| message.value(kind).map(<[u8]>::to_vec);
        self.requests += 1;
        // RFC 8489 §9.2.5: 401 to a request without credentials, and 438 for an old nonce, ask for another request.
        let asks = (code == 401 && self.challenge.is_none()) || code == 438;
        match (text(AttributeType::REALM), text(AttributeType::NONCE)) {
            (Some(realm), Some(nonce)) if asks && self.requests < REQUESTS_MAX => {
                self.challenge = Some((String::from_utf8_lossy(&realm).into_owned(), nonce));
                if let Some(last) = self.transaction.last_mut() {
                    *last += 1;
                }
                Step::AskAgain
            }
            _ => Step::Over(Answer::Refused { code, reason }),
        }
    }
}

/// RFC 8489 §14.8. The reason comes from the server, so unprintable characters are removed.
fn error(value: &[u8]) -> Option<(u16, String)> {
    let (&[_, _, class, number], reason) = value.split_first_chunk()?;
    let reason = String::from_utf8_lossy(reason);
    let printable = reason.chars().filter(|c| !c.is_control()).take(REASON_CHARACTERS_MAX).collect();
    Some((u16::from(class & 7) * 100 + u16::from(number), printable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::UnixMillis;
    use shared::turn_credential::{TurnKeys, TurnPolicy, TurnUser};
    use shared::{ParticipantId, RoomId};
    use std::collections::BTreeSet;
    use std::ops::RangeInclusive;
    use std::time::Instant;
    use turn_core::auth::Authenticator;
    use turn_core::peer_policy::PeerPolicy;
    use turn_core::pool::{Pool, Quotas};
    use turn_core::{Config, FiveTuple, Now, Output, RelayOpened, TurnServer};

    const KEYS: &str = "k:secret-of-the-tests-0123456789abcdef";
    const OTHER_KEYS: &str = "k:another-secret-0123456789abcdef-tests";

    const PORTS: RangeInclusive<u16> = 50_000..=50_009;

    /// Our server's answer to a credential made with these keys, with this quota per user.
    fn hear(keys: &str, per_user: u32) -> String {
        let keys_of = |text| TurnKeys::parse(text).expect("keys");
        let relay = Ipv4Addr::LOCALHOST.into();
        let mut server = TurnServer::new(Config {
            authenticator: Authenticator::new("rotunda", keys_of(KEYS), [7; 20]),
            policy: PeerPolicy {
                allowed: Vec::new(),
                own: Vec::new(),
                relayed: vec![relay],
                relay_ports: PORTS,
                media_nodes: BTreeSet::new(),
            },
            relay_v4: Some(relay),
            relay_v6: None,
            sfu_bytes_per_s: 1_000,
            p2p_bytes_per_s: 1_000,
            pool: Pool::new(PORTS, Quotas { per_user, per_address: per_user }, [1; 32]),
        });
        let now = Now { instant: Instant::now(), unix: UnixMillis(1_000) };
        let user = TurnUser {
            expires_at: UnixMillis(600_000),
            policy: TurnPolicy::Sfu,
            room: RoomId::parse("lobby").expect("a room"),
            participant: ParticipantId::parse("ada").expect("a participant"),
        };
        let credential = keys_of(keys).mint(&user);
        let from = FiveTuple { link: 0, client: "192.0.2.1:4000".parse().expect("an address") };
        let mut dialogue = Dialogue::new(&credential.username, &credential.password);
        for _ in 0..REQUESTS_MAX {
            server.handle_client(now, from, &dialogue.request());
            while let Some(output) = server.poll_output() {
                match output {
                    Output::OpenRelay { allocation, .. } => server.relay_opened(now, allocation, RelayOpened::Yes),
                    Output::CloseRelay { .. }
                    | Output::Connect { .. }
                    | Output::Join { .. }
                    | Output::Disconnect { .. }
                    | Output::Switch { .. } => {}
                    Output::Send { bytes, .. } => {
                        if let Step::Over(answer) = dialogue.take(&bytes) {
                            server.handle_client(now, from, &dialogue.release());
                            assert_eq!(server.allocation_count(), 0, "what was given is given back");
                            return answer.to_string();
                        }
                    }
                }
            }
        }
        panic!("the dialogue does not end");
    }

    #[test]
    fn says_what_the_server_answers() {
        assert!(hear(KEYS, 1).starts_with("allocates"));
        assert!(
            hear(OTHER_KEYS, 1)
                .starts_with("refuses an allocation: 401 Unauthenticated: do the Worker and the node have the same")
        );
        assert!(hear(KEYS, 0).starts_with("refuses an allocation: 486 Allocation Quota Reached: "));
    }

    #[test]
    fn hears_only_answers_to_its_own_question() {
        let mut dialogue = Dialogue::new("ada", "secret");
        assert_eq!(dialogue.take(b"nonsense"), Step::Ignored);
        let answer =
            |transaction| MessageWriter::new(Method::Allocate, Class::Error, transaction).with_error(508, "No\u{7}");
        assert_eq!(dialogue.take(&answer([1; 12]).finish()), Step::Ignored);
        let refused = Answer::Refused { code: 508, reason: "No".into() };
        assert_eq!(dialogue.take(&answer(dialogue.transaction).finish()), Step::Over(refused));
    }

    #[test]
    fn reads_hosts_and_ports() {
        assert_eq!(host_and_port("turn:turn.example.com"), Some(("turn.example.com", 3_478)));
        assert_eq!(host_and_port("turn:192.0.2.1:99?transport=udp"), Some(("192.0.2.1", 99)));
        assert_eq!(host_and_port("turn:[2001:db8::1]:99"), Some(("2001:db8::1", 99)));
        assert_eq!(host_and_port("turn:[2001:db8::1]"), Some(("2001:db8::1", 3_478)));
        assert_eq!(host_and_port("turns:turn.example.com?transport=tcp"), Some(("turn.example.com", 5_349)));
        assert_eq!(host_and_port("turns:turn.example.com:443"), Some(("turn.example.com", 443)));
        assert_eq!(host_and_port("stun:192.0.2.1"), None);
        assert_eq!(host_and_port("turn:host:many"), None);
    }
}
