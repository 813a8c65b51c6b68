//! TCP connections with peers (RFC 6062), through the built program.

use crate::{PATIENCE, relay, tcp, until};
use anyhow::Result;
use load::relay::{Answer, Relay, credential};
use load::stream::{StreamClient, TCP_PEERS};
use shared::turn_credential::TurnPolicy;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use turn_core::message::{AttributeType, Message, Method};

/// A client with an allocation for TCP.
struct Owner {
    relay: Relay,
    control: StreamClient<TcpStream>,
    relayed: SocketAddr,
}

impl Owner {
    fn new(more: &[(&str, &str)]) -> Result<Self> {
        let relay = relay(more)?;
        let mut control = client(&relay, "ada")?;
        let relayed = control.allocated(TCP_PEERS)?;
        Ok(Self { relay, control, relayed })
    }

    /// Binds a new connection of the client to a peer's.
    fn joined(&self, number: &[u8]) -> Result<(TcpStream, Vec<u8>)> {
        let mut data = client(&self.relay, "ada")?;
        assert_eq!(data.bind_connection(number)?, Answer::Success(None));
        Ok(data.into_bound())
    }

    fn connected(&mut self, peer: &TcpListener) -> Result<(TcpStream, TcpStream)> {
        let number = self.control.connect(peer.local_addr()?)?;
        let (theirs, from) = peer.accept()?;
        assert_eq!(from, self.relayed, "peers see the relayed address");
        Ok((self.joined(&number)?.0, theirs))
    }
}

fn client(relay: &Relay, participant: &str) -> Result<StreamClient<TcpStream>> {
    Ok(StreamClient::new(tcp(relay.address)?, credential(TurnPolicy::P2p, participant, 600)?))
}

/// Both ends send at once, much more than any buffer holds, and then close.
fn exchange(ours: &mut TcpStream, theirs: &mut TcpStream, bytes: usize) -> Result<()> {
    let data: Vec<u8> = (0..bytes).map(|at| (at / 251) as u8).collect();
    let send = |mut to: TcpStream| {
        to.write_all(&data)?;
        to.shutdown(Shutdown::Write)
    };
    let hear = |from: &mut TcpStream| {
        let mut heard = Vec::new();
        from.read_to_end(&mut heard).map(|_| heard)
    };
    std::thread::scope(|scope| {
        let senders = [
            scope.spawn({
                let to = ours.try_clone()?;
                move || send(to)
            }),
            scope.spawn({
                let to = theirs.try_clone()?;
                move || send(to)
            }),
        ];
        let heard_by_them = scope.spawn(move || hear(theirs));
        assert!(hear(ours)? == data, "the client hears all");
        assert!(heard_by_them.join().expect("a thread")? == data, "the peer hears all");
        for sender in senders {
            sender.join().expect("a thread")?;
        }
        Ok(())
    })
}

#[test]
fn a_client_connects_to_a_peer() -> Result<()> {
    let mut owner = Owner::new(&[])?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let (mut ours, mut theirs) = owner.connected(&peer)?;
    theirs.set_read_timeout(Some(PATIENCE))?;
    exchange(&mut ours, &mut theirs, 3_000_000)?;
    // The next connection leaves from the same address to the same peer.
    until("the number is free", || {
        let mut again = client(&owner.relay, "ada")?;
        again.allocated(TCP_PEERS)?;
        Ok(again.connect(peer.local_addr()?).is_ok())
    })
}

#[test]
fn a_peer_connects_to_a_client_that_permits_it() -> Result<()> {
    let mut owner = Owner::new(&[])?;
    let mut stranger = TcpStream::connect(owner.relayed)?;
    stranger.set_read_timeout(Some(PATIENCE))?;
    assert_eq!(stranger.read(&mut [0; 8]).unwrap_or(0), 0, "no permission");
    assert_eq!(owner.control.permit("127.0.0.1:1".parse()?)?, Answer::Success(None));
    let mut theirs = TcpStream::connect(owner.relayed)?;
    theirs.set_read_timeout(Some(PATIENCE))?;
    theirs.write_all(b"early")?;
    let message = Message::parse(owner.control.next_message()?).expect("an indication");
    assert_eq!(message.method, Method::ConnectionAttempt);
    let peer = message.value(AttributeType::XOR_PEER_ADDRESS).and_then(|value| message.xor_address(value));
    assert_eq!(peer, Some(theirs.local_addr()?));
    let number = message.value(AttributeType::CONNECTION_ID).expect("a number").to_vec();
    let (mut ours, mut early) = owner.joined(&number)?;
    let heard = early.len();
    early.resize(5, 0);
    ours.read_exact(early.get_mut(heard..).unwrap_or_default())?;
    assert_eq!(early, b"early");
    exchange(&mut ours, &mut theirs, 1_000_000)
}

#[test]
fn the_end_of_the_allocation_ends_its_connections() -> Result<()> {
    let mut owner = Owner::new(&[])?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let (mut ours, mut theirs) = owner.connected(&peer)?;
    theirs.set_read_timeout(Some(PATIENCE))?;
    let Owner { relay: _relay, control, .. } = owner;
    drop(control);
    assert_eq!(ours.read(&mut [0; 8]).unwrap_or(0), 0);
    assert_eq!(theirs.read(&mut [0; 8]).unwrap_or(0), 0);
    Ok(())
}

#[test]
fn the_bandwidth_of_the_user_slows_a_connection_down() -> Result<()> {
    const RATE: usize = 100_000;
    let mut owner = Owner::new(&[("TURN_P2P_BYTES_PER_SECOND", "100000")])?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let (mut ours, mut theirs) = owner.connected(&peer)?;
    theirs.set_read_timeout(Some(PATIENCE))?;
    let started = std::time::Instant::now();
    let sender = std::thread::spawn(move || ours.write_all(&vec![7; 3 * RATE]).map(|()| ours));
    theirs.read_exact(&mut vec![0; 3 * RATE])?;
    // One second's worth is available at first.
    assert!(started.elapsed().as_millis() > 1_800, "{:?}", started.elapsed());
    drop(sender.join().expect("a thread")?);
    Ok(())
}
