use super::*;

/// Returns what the second of two sockets on loopback received within a second.
fn arrives<'data>(send: impl FnOnce(&mut Sending<'_, 'data>, SocketAddr), expected: &[&'data [u8]]) {
    let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (from, to) = (Socket::bind(loopback, false).expect("binds"), Socket::bind(loopback, true).expect("binds"));
    let mut counters = Counters::default();
    let mut batch = SendBatch::default();
    send(&mut batch.sending(&from, &mut counters), to.local_address().expect("bound"));
    let mut received: Vec<Vec<u8>> = vec![];
    let mut receive = ReceiveBatch::default();
    while received.len() < expected.len() {
        let mut watched = libc::pollfd { fd: to.descriptor(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor is told, and one is there.
        assert_eq!(unsafe { libc::poll(&mut watched, 1, 1000) }, 1, "only {} datagrams came", received.len());
        receive.clear();
        assert!(receive.fill(&to, 7, 32, &mut counters).expect("receives"));
        for message in receive.messages() {
            assert_eq!((message.socket, message.from), (7, from.local_address().expect("bound")));
            received.extend(message.each().map(<[u8]>::to_vec));
        }
    }
    assert_eq!(received, expected);
    assert_eq!((counters.send_failures, counters.send_overflows, counters.truncated), (0, 0, 0));
}

#[test]
fn a_run_arrives_as_datagrams() {
    arrives(|sending, to| sending.run(to, b"aaabbbcc", 3), &[b"aaa", b"bbb", b"cc"]);
}

#[test]
fn parts_arrive_together_as_datagrams() {
    let parts: [[&[u8]; PARTS]; 3] = [[b"1", b"aa", b"\0"], [b"", b"bbb", b"b"], [b"3", b"c", b""]];
    arrives(|sending, to| sending.run_of_parts(to, &parts), &[b"1aa\0", b"bbbb", b"3c"]);
}

#[test]
fn an_empty_datagram_arrives_between_others() {
    let parts: [&[[&[u8]; PARTS]]; 3] = [&[[b"a", b"", b""]], &[[b"", b"", b""]], &[[b"b", b"", b""]]];
    arrives(|sending, to| parts.iter().for_each(|run| sending.run_of_parts(to, run)), &[b"a", b"", b"b"]);
}

#[test]
fn an_empty_datagram_is_given_to_each() {
    let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (from, to) = (Socket::bind(loopback, false).expect("binds"), Socket::bind(loopback, false).expect("binds"));
    let (mut batch, mut counters, mut receive) = (SendBatch::default(), Counters::default(), ReceiveBatch::default());
    batch.sending(&from, &mut counters).run_of_parts(to.local_address().expect("bound"), &[[b"", b"", b""]]);
    assert!(receive.fill(&to, 0, 1, &mut counters).expect("receives"));
    let mut lengths = vec![];
    receive.for_each(|_, datagram| lengths.push(datagram.len()));
    assert_eq!(lengths, [0]);
}

#[test]
fn the_df_bit_is_what_it_was_set_to() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(socket) = Socket::bind(address.parse().expect("an address"), false) else { continue };
        for on in [false, true, false] {
            socket.set_dont_fragment(on);
            assert_eq!(socket.dont_fragment().expect("an option"), on, "{address}");
        }
    }
}

#[test]
fn what_a_leaked_batch_held_is_not_sent() {
    let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (from, to) = (Socket::bind(loopback, false).expect("binds"), Socket::bind(loopback, false).expect("binds"));
    let (mut batch, mut counters, mut receive) = (SendBatch::default(), Counters::default(), ReceiveBatch::default());
    let mut leaked = batch.sending(&from, &mut counters);
    leaked.run(to.local_address().expect("bound"), b"leaked", 6);
    std::mem::forget(leaked);
    batch.sending(&from, &mut counters).run(to.local_address().expect("bound"), b"sent", 4);
    assert!(receive.fill(&to, 0, 32, &mut counters).expect("receives"));
    let mut received = vec![];
    receive.for_each(|_, datagram| received.push(datagram.to_vec()));
    assert_eq!(received, [b"sent"]);
}

#[test]
fn long_runs_are_sent_in_parts() {
    let bytes: Vec<u8> = (0..200_u32).flat_map(|n| [(n % 251) as u8; 1000]).collect();
    let expected: Vec<&[u8]> = bytes.chunks(1000).collect();
    arrives(|sending, to| sending.run(to, &bytes, 1000), &expected);
}

#[test]
fn a_destination_that_cannot_be_reached_is_counted() {
    let socket = Socket::bind("127.0.0.1:0".parse().expect("an address"), false).expect("binds");
    let (mut batch, mut counters) = (SendBatch::default(), Counters::default());
    batch.sending(&socket, &mut counters).run("[2001:db8::1]:9".parse().expect("an address"), b"x", 1);
    assert_eq!(counters.send_failures, 1);
}

#[test]
fn a_batch_takes_from_several_sockets() {
    let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let sockets: Vec<Socket> = (0..3).map(|_| Socket::bind(loopback, false).expect("binds")).collect();
    let (mut batch, mut counters, mut receive) = (SendBatch::default(), Counters::default(), ReceiveBatch::default());
    for socket in &sockets {
        batch.sending(&sockets[0], &mut counters).run(socket.local_address().expect("bound"), b"ping", 4);
    }
    for (number, socket) in sockets.iter().enumerate() {
        assert!(receive.fill(socket, number as u32, 1, &mut counters).expect("receives"));
    }
    let numbers: Vec<u32> = receive.messages().map(|message| message.socket).collect();
    assert_eq!(numbers, [0, 1, 2]);
}
