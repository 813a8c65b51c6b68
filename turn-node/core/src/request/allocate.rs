//! Allocate (RFC 8656 §7).

use super::{FAMILY_IPV4, FAMILY_IPV6, Refusal};
use crate::allocation::{Allocation, AllocationId, Opening, Owner, State};
use crate::auth::Authenticated;
use crate::limits;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method};
use crate::pool::ReservationToken;
use crate::server::{FiveTuple, Now, RelayOpened, TurnServer};
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const TRANSPORT_UDP: u8 = 17;

/// What the client wants.
struct Wanted {
    lifetime: Duration,
    relay: IpAddr,
    even: bool,
    pair: bool,
    token: Option<ReservationToken>,
    refused_family: Option<u8>,
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
    if asked.user.expires_at.0 <= now.unix.0 {
        return Err(Refusal::UNAUTHENTICATED);
    }
    if server.is_draining() {
        return Err(Refusal::INSUFFICIENT_CAPACITY);
    }
    let wanted = wanted(server, message)?;
    let bytes_per_s = match asked.user.policy {
        TurnPolicy::Sfu => server.config.sfu_bytes_per_s,
        TurnPolicy::P2p => server.config.p2p_bytes_per_s,
    };
    let name: Box<str> = asked.user.owner().into();
    let budget = server.config.pool.admit(&name, bytes_per_s, now.instant);
    let owner = Owner {
        five_tuple: from,
        username: asked.username.clone(),
        name: name.clone(),
        policy: asked.user.policy,
        transaction: message.transaction,
        budget: budget.ok_or(Refusal::ALLOCATION_QUOTA_REACHED)?,
    };
    let opened = open(server, now, message, asked, owner, &wanted);
    if opened.is_none() {
        server.config.pool.dismiss(&name);
    }
    opened.map(|()| None).ok_or(Refusal::INSUFFICIENT_CAPACITY)
}

/// The socket of an allocation is open, or another port must be tried.
pub(crate) fn relay_opened(server: &mut TurnServer, now: Now, id: AllocationId, opened: RelayOpened) {
    let pool = server.config.pool.clone();
    let Some(allocation) = server.allocation_mut(id) else { return };
    let State::Opening(opening) = &mut allocation.state else { return };
    let (to, relayed) = (allocation.five_tuple, allocation.relayed);
    if opened == RelayOpened::No {
        // A port that somebody outside this server holds stays taken here: trying it again would fail again.
        opening.tries_left = opening.tries_left.saturating_sub(1);
        let (even, pair, left) = (opening.even, opening.pair, opening.tries_left);
        let port = if left == 0 { None } else { pool.take(even, pair, now.instant) };
        if let Some(port) = port {
            allocation.relayed.set_port(port);
            let address = allocation.relayed;
            server.open_relay(id, address);
            return;
        }
        let refusal = Refusal::INSUFFICIENT_CAPACITY;
        let writer = MessageWriter::new(Method::Allocate, Class::Error, allocation.transaction)
            .with_error(refusal.code, refusal.reason)
            .signed(&opening.key);
        let fingerprint = opening.fingerprint;
        server.counters.refused.count(refusal.code);
        server.send_finished(to, writer, fingerprint);
        server.remove(id);
        return;
    }
    let token = if opening.pair { pool.reserve_above(relayed.port(), now.instant) } else { None };
    opening.token = token;
    let (key, fingerprint, refused_family) = (opening.key.clone(), opening.fingerprint, opening.refused_family);
    let (lifetime, transaction) = (opening.lifetime, allocation.transaction);
    allocation.state = State::Open;
    let mut writer = success(transaction, relayed, to.client, lifetime);
    if let Some(token) = token {
        writer = writer.with(AttributeType::RESERVATION_TOKEN, &token);
    }
    if let Some(family) = refused_family {
        // RFC 8656 §18.12: family, reserved, class, number.
        writer = writer.with(AttributeType::ADDRESS_ERROR_CODE, &[family, 0, 4, 40]);
    }
    server.send_finished(to, writer.signed(&key), fingerprint);
}

/// A 5-tuple has one allocation. The same request again gets the same answer, any other 437 (RFC 8656 §7.2).
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
        // The answer is on its way.
        return Ok(None);
    }
    let left = allocation.expires_at.saturating_duration_since(now.instant);
    Ok(Some(success(message.transaction, allocation.relayed, allocation.five_tuple.client, left)))
}

fn success(transaction: [u8; 12], relayed: SocketAddr, client: SocketAddr, lifetime: Duration) -> MessageWriter {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    MessageWriter::new(Method::Allocate, Class::Success, transaction)
        .with_address(AttributeType::XOR_RELAYED_ADDRESS, relayed)
        .with(AttributeType::LIFETIME, &seconds.to_be_bytes())
        .with_address(AttributeType::XOR_MAPPED_ADDRESS, client)
}

fn wanted(server: &TurnServer, message: &Message<'_>) -> Result<Wanted, Refusal> {
    // RFC 8656 §7.2, items 3 to 10, in their order.
    match message.value(AttributeType::REQUESTED_TRANSPORT) {
        Some([TRANSPORT_UDP, _, _, _]) => {}
        Some([_, _, _, _]) => return Err(Refusal::UNSUPPORTED_TRANSPORT),
        Some(_) | None => return Err(Refusal::BAD_REQUEST),
    }
    let even_port = message.value(AttributeType::EVEN_PORT);
    let family = message.value(AttributeType::REQUESTED_ADDRESS_FAMILY);
    let additional = message.value(AttributeType::ADDITIONAL_ADDRESS_FAMILY);
    let token = message.value(AttributeType::RESERVATION_TOKEN);
    let (even, pair) = match even_port {
        None => (false, false),
        Some([flags]) => (true, flags & 0x80 != 0),
        Some(_) => return Err(Refusal::BAD_REQUEST),
    };
    let token_beside_others = token.is_some() && (even_port.is_some() || family.is_some() || additional.is_some());
    let two_families = family.is_some() && additional.is_some();
    if token_beside_others || two_families || (additional.is_some() && pair) {
        return Err(Refusal::BAD_REQUEST);
    }
    let token = token.map(ReservationToken::try_from).transpose().map_err(|_| Refusal::BAD_REQUEST)?;
    // RFC 8656 §7.2: a server that cannot give the additional family says so beside the first one.
    let refused_family = additional.map(|value| value.first().copied().unwrap_or(FAMILY_IPV6));
    let relay = match family.map(<[u8]>::first) {
        None | Some(Some(&FAMILY_IPV4)) => server.config.relay_v4,
        Some(Some(&FAMILY_IPV6)) => server.config.relay_v6,
        Some(_) => None,
    };
    let relay = relay.ok_or(Refusal::ADDRESS_FAMILY_NOT_SUPPORTED)?;
    Ok(Wanted { lifetime: lifetime(message), relay, even, pair, token, refused_family })
}

/// The lifetime that is asked for, within bounds (RFC 8656 §7.2).
pub(crate) fn lifetime(message: &Message<'_>) -> Duration {
    let asked = message.value(AttributeType::LIFETIME).and_then(|value| <[u8; 4]>::try_from(value).ok());
    let asked = asked.map_or(limits::LIFETIME_DEFAULT, |value| Duration::from_secs(u32::from_be_bytes(value).into()));
    asked.clamp(limits::LIFETIME_DEFAULT, limits::LIFETIME_MAX)
}

fn open(
    server: &mut TurnServer,
    now: Now,
    message: &Message<'_>,
    asked: &Authenticated,
    owner: Owner,
    wanted: &Wanted,
) -> Option<()> {
    let pool = server.config.pool.clone();
    let port = match &wanted.token {
        Some(token) => pool.claim(token, now.instant)?,
        None => pool.take(wanted.even, wanted.pair, now.instant)?,
    };
    let relayed = SocketAddr::new(wanted.relay, port);
    let opening = Opening {
        key: asked.key.clone(),
        lifetime: wanted.lifetime,
        even: wanted.even,
        pair: wanted.pair,
        token: None,
        refused_family: wanted.refused_family,
        fingerprint: message.has_fingerprint(),
        // A claimed port is the one or none.
        tries_left: if wanted.token.is_some() { 1 } else { limits::PORT_TRIES_MAX },
    };
    let allocation = Allocation::new(owner, relayed, opening, now.instant);
    let Some(id) = server.insert(allocation) else {
        pool.give_back(port);
        return None;
    };
    server.open_relay(id, relayed);
    Some(())
}
