//! Connections that do nothing, or do it slowly.

use crate::{CHANNEL, PATIENCE, Pair, counter, relay, tcp, tls, until};
use anyhow::Result;
use load::process;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use turn_core::limits;

/// The time limit, plus a sweep and slack for a busy machine.
fn after(limit: Duration) -> Duration {
    limit + PATIENCE
}

/// Waits until the node closes a connection; returns how long it took.
fn closed(stream: &mut TcpStream, within: Duration) -> Result<Duration> {
    let started = Instant::now();
    stream.set_read_timeout(Some(within))?;
    loop {
        match stream.read(&mut [0; 4_096]) {
            Ok(0) => return Ok(started.elapsed()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(started.elapsed()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[test]
fn connections_without_an_allocation_are_closed_in_time() -> Result<()> {
    let (relay, certificate) = tls::relay(&[])?;
    let mut streams = Vec::new();
    // Nothing at all, the beginning of a TLS handshake, of a request, and a request that leads to none.
    for beginning in [
        &b""[..],
        &[22, 3, 1],
        &[0, 3, 0, 8],
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut stream = tcp(relay.address)?;
        stream.write_all(beginning)?;
        streams.push(stream);
    }
    // A TLS client that completes the handshake and then sends nothing.
    let mut silent = tls::connect(relay.address, &certificate)?;
    silent.conn.complete_io(&mut silent.sock)?;
    for stream in &mut streams {
        closed(stream, after(limits::STRANGER_TIMEOUT))?;
    }
    closed(&mut silent.sock, PATIENCE)?;
    until("they are counted", || Ok(counter(&relay, "turn_connections_closed_total", "stranger")? >= 5))?;
    until("none is left", || Ok(counter(&relay, "turn_connections", "")? == 0))
}

#[test]
fn a_byte_at_a_time_does_not_keep_a_connection() -> Result<()> {
    let relay = relay(&[])?;
    let mut pair = Pair::new(tcp(relay.address)?)?;
    let message = load::stream::channel_data(CHANNEL, &[7; 1_000]);
    let started = Instant::now();
    let mut at = message.iter().cycle();
    while started.elapsed() < after(limits::STREAM_MESSAGE_TIMEOUT) {
        let byte = at.next().copied().unwrap_or_default();
        if pair.client.stream.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(started.elapsed() < after(limits::STREAM_MESSAGE_TIMEOUT), "it may go on for ever");
    assert!(started.elapsed() >= limits::STREAM_MESSAGE_TIMEOUT, "a slow network has its time");
    until("it is counted", || Ok(counter(&relay, "turn_connections_closed_total", "slow_message")? == 1))
}

#[test]
fn what_is_no_message_ends_a_connection_at_once() -> Result<()> {
    let relay = relay(&[])?;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x80, 0x60, 0, 1], &[0, 3, 0x20, 0]] {
        let mut stream = tcp(relay.address)?;
        stream.write_all(bytes)?;
        assert!(closed(&mut stream, PATIENCE)? < limits::STRANGER_TIMEOUT / 2, "{bytes:?}");
    }
    // Without a certificate there is no TLS.
    let mut stream = tcp(relay.address)?;
    stream.write_all(&[22, 3, 1, 2, 0])?;
    assert!(closed(&mut stream, PATIENCE)? < limits::STRANGER_TIMEOUT / 2);
    until("they are counted", || Ok(counter(&relay, "turn_connections_closed_total", "broken")? == 3))
}

#[test]
fn a_client_that_stops_reading_costs_bounded_memory_and_no_packet_of_others() -> Result<()> {
    const BYTES: usize = 1_200;
    let relay = relay(&[])?;
    let (stalled, mut other) = (Pair::new(tcp(relay.address)?)?, Pair::new(tcp(relay.address)?)?);
    let before = process::memory_kb(relay.pid())?;
    let started = Instant::now();
    // 50 Mbit/s to a client that reads nothing, with packets of another one in between.
    let mut sent = 0_u64;
    while counter(&relay, "turn_connections_closed_total", "stalled")? == 0 {
        assert!(started.elapsed() < after(limits::STREAM_STALL_TIMEOUT), "it is never closed");
        for _ in 0..500 {
            for _ in 0..5 {
                // Closing the client closes its relayed port.
                let _ = stalled.peer.send_to(&[7; BYTES], stalled.relayed);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for round in 0..20_u8 {
            other.talks(&[round; BYTES])?;
        }
    }
    assert!(started.elapsed() >= limits::STREAM_STALL_TIMEOUT, "a slow network has its time");
    let dropped = counter(&relay, "turn_drops_total", "slow_reader")?;
    assert!(dropped > sent / 2, "{dropped} of {sent}");
    let grown = process::memory_kb(relay.pid())?.saturating_sub(before);
    assert!(grown < 8 * 1_024, "{grown} KB for {} KB sent", sent * BYTES as u64 / 1_024);
    Ok(())
}

#[test]
fn a_client_that_asks_and_never_reads_is_closed() -> Result<()> {
    let relay = relay(&[])?;
    let mut pair = Pair::new(tcp(relay.address)?)?;
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat().repeat(1_000);
    let started = Instant::now();
    while pair.client.stream.write_all(&binding).is_ok() {
        assert!(started.elapsed() < PATIENCE, "its answers are kept for ever");
    }
    until("it is counted", || Ok(counter(&relay, "turn_connections_closed_total", "unread")? == 1))
}

#[test]
fn a_crowd_of_half_open_connections_keeps_nobody_out() -> Result<()> {
    let relay = relay(&[])?;
    let from = |network: u8| -> Result<Vec<TcpStream>> {
        (0..700).map(|_| connect_from([127, 0, network, 1], relay.address)).collect()
    };
    // More than the places for connections without an allocation, from addresses on the same thread.
    let _crowd = [from(1)?, from(2)?];
    for _ in 0..20 {
        Pair::new(tcp(relay.address)?)?.talks(b"through the crowd")?;
    }
    until("they are counted", || Ok(counter(&relay, "turn_connections_closed_total", "evicted")? > 300))?;
    let left = counter(&relay, "turn_connections_without_allocation", "")?;
    assert!(left <= limits::STRANGERS_PER_SHARD_MAX as u64, "{left}");
    Ok(())
}

#[test]
fn one_address_has_no_more_than_its_connections() -> Result<()> {
    let relay = relay(&[])?;
    let crowd = (0..limits::STREAMS_PER_ADDRESS_MAX + 100)
        .map(|_| connect_from([127, 0, 1, 1], relay.address))
        .collect::<Result<Vec<_>>>()?;
    until("the others are refused", || Ok(counter(&relay, "turn_connections_refused_total", "address")? == 100))?;
    Pair::new(tcp(relay.address)?)?.talks(b"from another address")?;
    drop(crowd);
    until("their places are free", || Ok(counter(&relay, "turn_connections", "")? == 0))?;
    Pair::new(connect_from([127, 0, 1, 1], relay.address)?)?.talks(b"from the same")
}

/// A connection from one of loopback's many addresses.
fn connect_from(from: [u8; 4], to: SocketAddr) -> Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
