//! Allocate (RFC 8656 §7, RFC 6062 §5.1).

use super::{FAMILY_IPV4, FAMILY_IPV6, Refusal};
use crate::allocation::{Allocation, AllocationId, Extras, Granted, Opening, Owner, State, Transport};
use crate::auth::Authenticated;
use crate::limits;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method};
use crate::pool::{Pool, ReservationToken, Reserved, Share};
use crate::relay_opened::RelayOpened;
use crate::server::{FiveTuple, Now, TurnServer};
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const TRANSPORT_TCP: u8 = 6;
const TRANSPORT_UDP: u8 = 17;

struct Wanted {
    transport: Transport,
    lifetime: Duration,
    place: Place,
    refused_family: Option<u8>,
}

enum Place {
    /// The upper port of a pair, reserved earlier.
    Reserved(ReservationToken),
    Any {
        relay: IpAddr,
        even: bool,
        pair: bool,
    },
}

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    if let Some(id) = server.by_client.get(&from).copied() {
        return repeated(server, now, id, message, asked);
    }
    if super::has_expired(asked, now) {
        return Err(Refusal::UNAUTHENTICATED);
    }
    let wanted = wanted(server, from, message)?;
    if server.is_draining() || server.is_full() {
        return Err(Refusal::INSUFFICIENT_CAPACITY);
    }
    let (granted, upper) = grant(server, now, from, asked, &wanted)?;
    let (is_claim, even) = match wanted.place {
        Place::Reserved(_) => (true, false),
        Place::Any { even, .. } => (false, even),
    };
    let pair = upper.is_some();
    let opening = Opening {
        key: asked.key.clone(),
        lifetime: wanted.lifetime,
        even,
        upper,
        fingerprint: message.has_fingerprint(),
        // No other port can replace a reserved one.
        tries_left: if is_claim { 1 } else { limits::PORT_TRIES_MAX },
        failed: Vec::new(),
    };
    let owner = Owner {
        five_tuple: from,
        username: asked.username.clone(),
        policy: asked.user.policy,
        transaction: message.transaction,
    };
    let relayed = SocketAddr::new(granted.ip, granted.port.number());
    let extras = Extras { token: None, refused_family: wanted.refused_family };
    let allocation = Allocation::new(owner, granted, opening, extras, now.instant);
    let id = server.insert(allocation).ok_or(Refusal::INSUFFICIENT_CAPACITY)?;
    server.open_relay(id, wanted.transport, relayed, pair);
    Ok(None)
}

/// Takes ports and shares of the quota: everything the request needs, or nothing.
fn grant(
    server: &TurnServer,
    now: Now,
    from: FiveTuple,
    asked: &Authenticated,
    wanted: &Wanted,
) -> Result<(Granted, Option<Reserved>), Refusal> {
    let (pool, owner, transport) = (&server.config.pool, asked.user.owner(), wanted.transport);
    let share = || -> Result<Share, Refusal> {
        let bytes_per_s = match asked.user.policy {
            TurnPolicy::Sfu => server.config.sfu_bytes_per_s,
            TurnPolicy::P2p => server.config.p2p_bytes_per_s,
        };
        pool.admit(&owner, from.client.ip(), bytes_per_s, now.instant).ok_or(Refusal::ALLOCATION_QUOTA_REACHED)
    };
    match wanted.place {
        Place::Reserved(token) => {
            let claimed = pool.claim(token, &owner, now.instant).ok_or(Refusal::INSUFFICIENT_CAPACITY)?;
            Ok((Granted { transport, ip: claimed.ip, port: claimed.port, share: claimed.share }, None))
        }
        Place::Any { relay: ip, even, pair: false } => {
            let share = share()?;
            let port = pool.take(even, now.instant).ok_or(Refusal::INSUFFICIENT_CAPACITY)?;
            Ok((Granted { transport, ip, port, share }, None))
        }
        Place::Any { relay: ip, pair: true, .. } => {
            let (lower, upper) = (share()?, share()?);
            let (port, above) = pool.take_pair(now.instant).ok_or(Refusal::INSUFFICIENT_CAPACITY)?;
            Ok((Granted { transport, ip, port, share: lower }, Some(Reserved { ip, port: above, share: upper })))
        }
    }
}

/// Answers the request once the socket is open, or tries another port.
pub(crate) fn relay_opened(server: &mut TurnServer, now: Now, id: AllocationId, opened: RelayOpened) {
    let pool = server.config.pool.clone();
    let Some(allocation) = server.allocation_mut(id) else { return };
    let State::Opening(opening) = &mut allocation.state else { return };
    let to = allocation.five_tuple;
    if opened != RelayOpened::Yes {
        if opened == RelayOpened::No && try_another(allocation, &pool, now) {
            let (transport, address, pair) = (allocation.transport, allocation.relayed, allocation.wants_pair());
            return server.open_relay(id, transport, address, pair);
        }
        return refuse(server, id);
    }
    allocation.extras.token = opening.upper.take().map(|upper| pool.reserve(upper, now.instant));
    let (key, fingerprint, lifetime) = (opening.key.clone(), opening.fingerprint, opening.lifetime);
    let writer = success(allocation, lifetime);
    allocation.state = State::Open;
    server.send_finished(to, writer.signed(&key), fingerprint);
}

/// Replaces the ports of an allocation whose socket could not be opened, if any are left to try.
fn try_another(allocation: &mut Allocation, pool: &Pool, now: Now) -> bool {
    let State::Opening(opening) = &mut allocation.state else { return false };
    opening.tries_left = opening.tries_left.saturating_sub(1);
    if opening.tries_left == 0 {
        return false;
    }
    let port = match &mut opening.upper {
        None => pool.take(opening.even, now.instant),
        Some(upper) => pool.take_pair(now.instant).map(|(lower, above)| {
            opening.failed.push(std::mem::replace(&mut upper.port, above));
            lower
        }),
    };
    let Some(port) = port else { return false };
    allocation.relayed.set_port(port.number());
    opening.failed.push(std::mem::replace(&mut allocation.port, port));
    true
}

fn refuse(server: &mut TurnServer, id: AllocationId) {
    let Some(allocation) = server.allocation(id) else { return };
    let State::Opening(opening) = &allocation.state else { return };
    let refusal = Refusal::INSUFFICIENT_CAPACITY;
    let writer = MessageWriter::new(Method::Allocate, Class::Error, allocation.transaction)
        .with_error(refusal.code, refusal.reason)
        .signed(&opening.key);
    let (to, fingerprint) = (allocation.five_tuple, opening.fingerprint);
    server.counters.refused.count(refusal.code);
    server.send_finished(to, writer, fingerprint);
    server.remove(id);
}

/// A 5-tuple has one allocation. The same request again gets essentially the same answer (RFC 8656 §5), any other 437 (§7.2).
fn repeated(
    server: &TurnServer,
    now: Now,
    id: AllocationId,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    let allocation = server.allocation(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    if allocation.transaction != message.transaction || allocation.username != asked.username {
        return Err(Refusal::ALLOCATION_MISMATCH);
    }
    if !allocation.is_open() {
        // The answer is pending.
        return Ok(None);
    }
    Ok(Some(success(allocation, allocation.expires_at.saturating_duration_since(now.instant))))
}

fn success(allocation: &Allocation, lifetime: Duration) -> MessageWriter {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    let mut writer = MessageWriter::new(Method::Allocate, Class::Success, allocation.transaction)
        .with_address(AttributeType::XOR_RELAYED_ADDRESS, allocation.relayed)
        .with(AttributeType::LIFETIME, &seconds.to_be_bytes())
        .with_address(AttributeType::XOR_MAPPED_ADDRESS, allocation.five_tuple.client);
    if let Some(token) = allocation.extras.token {
        writer = writer.with(AttributeType::RESERVATION_TOKEN, &token);
    }
    if let Some(family) = allocation.extras.refused_family {
        // RFC 8656 §18.12: family, reserved, class, number.
        writer = writer.with(AttributeType::ADDRESS_ERROR_CODE, &[family, 0, 4, 40]);
    }
    writer
}

fn wanted(server: &TurnServer, from: FiveTuple, message: &Message<'_>) -> Result<Wanted, Refusal> {
    // RFC 8656 §7.2, items 3 to 10, in their order.
    let transport = match message.value(AttributeType::REQUESTED_TRANSPORT) {
        Some([TRANSPORT_UDP, _, _, _]) => Transport::Udp,
        // RFC 6062 §5.1: connections are bound by connections, so a datagram client cannot use them.
        Some([TRANSPORT_TCP, _, _, _]) if from.is_stream() => Transport::Tcp,
        Some([TRANSPORT_TCP, _, _, _]) => return Err(Refusal::BAD_REQUEST),
        Some([_, _, _, _]) => return Err(Refusal::UNSUPPORTED_TRANSPORT),
        Some(_) | None => return Err(Refusal::BAD_REQUEST),
    };
    // RFC 6062 §5.1: these apply to datagrams only.
    const OF_DATAGRAMS: [AttributeType; 3] =
        [AttributeType::DONT_FRAGMENT, AttributeType::EVEN_PORT, AttributeType::RESERVATION_TOKEN];
    if transport == Transport::Tcp && OF_DATAGRAMS.iter().any(|kind| message.value(*kind).is_some()) {
        return Err(Refusal::BAD_REQUEST);
    }
    let lifetime = lifetime(message)?.max(limits::LIFETIME_DEFAULT);
    let requested = super::family(message, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
    let additional = super::family(message, AttributeType::ADDITIONAL_ADDRESS_FAMILY)?;
    let (even, pair) = match message.value(AttributeType::EVEN_PORT) {
        None => (false, false),
        Some([flags]) => (true, flags & 0x80 != 0),
        Some(_) => return Err(Refusal::BAD_REQUEST),
    };
    if let Some(token) = message.value(AttributeType::RESERVATION_TOKEN) {
        let token = ReservationToken::try_from(token).map_err(|_| Refusal::BAD_REQUEST)?;
        if even || requested.is_some() || additional.is_some() {
            return Err(Refusal::BAD_REQUEST);
        }
        return Ok(Wanted { transport, lifetime, place: Place::Reserved(token), refused_family: None });
    }
    // RFC 8656 §18.11: IPv4 is the first family, so it cannot be the additional one.
    if additional == Some(FAMILY_IPV4) || (additional.is_some() && (requested.is_some() || pair)) {
        return Err(Refusal::BAD_REQUEST);
    }
    let (v4, v6) = (server.config.relay_v4, server.config.relay_v6);
    let (relay, refused_family) = match (requested, additional) {
        (None | Some(FAMILY_IPV4), None) => (v4, None),
        (Some(FAMILY_IPV6), None) => (v6, None),
        // One address per allocation: the answer refuses the other family (RFC 8656 §7.2).
        (None, Some(FAMILY_IPV6)) if v4.is_some() => (v4, Some(FAMILY_IPV6)),
        (None, Some(FAMILY_IPV6)) => (v6, Some(FAMILY_IPV4)),
        (Some(_), _) | (None, Some(_)) => (None, None),
    };
    let relay = relay.ok_or(Refusal::ADDRESS_FAMILY_NOT_SUPPORTED)?;
    Ok(Wanted { transport, lifetime, place: Place::Any { relay, even, pair }, refused_family })
}

/// The requested lifetime: zero, or within bounds (RFC 8656 §7.2, §8.2).
pub(crate) fn lifetime(message: &Message<'_>) -> Result<Duration, Refusal> {
    let Some(value) = message.value(AttributeType::LIFETIME) else { return Ok(limits::LIFETIME_DEFAULT) };
    let seconds = u32::from_be_bytes(<[u8; 4]>::try_from(value).map_err(|_| Refusal::BAD_REQUEST)?);
    let asked = Duration::from_secs(seconds.into());
    Ok(if asked.is_zero() { asked } else { asked.clamp(limits::LIFETIME_DEFAULT, limits::LIFETIME_MAX) })
}
