//! Reads the messages that a relay reads most, with our codec and with that of the crate `turn`, in the way the crate's
//! server does. `cargo bench -p turn-core --bench codec` prints nanoseconds and allocations per message.
#![allow(clippy::disallowed_methods, reason = "a benchmark has a clock")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use stun::message::{Getter, Message as CrateMessage};
use turn::proto::{chandata, data, peeraddr};
use turn_core::message::{AttributeType, ChannelData, Class, Message, MessageWriter, Method};

/// The system's allocator, with a count of allocations.
struct Counting(AtomicU64);

// SAFETY: both calls are handed on as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as this function's own caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as this function's own caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(AtomicU64::new(0));

const DATA_BYTES: usize = 1_100;
const MESSAGES: u32 = 200_000;
const ROUNDS: usize = 5;

fn main() {
    let peer: SocketAddr = "203.0.113.7:7000".parse().expect("an address");
    let payload = [7; DATA_BYTES];
    let send = MessageWriter::new(Method::Send, Class::Indication, [1; 12])
        .with_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .with(AttributeType::DATA, &payload)
        .finish();
    let channel = [&[0x40, 1][..], &(DATA_BYTES as u16).to_be_bytes(), &payload].concat();
    measure("Send indication, ours", || {
        let message = Message::parse(black_box(&send)).expect("sound");
        let peer = message.value(AttributeType::XOR_PEER_ADDRESS).and_then(|value| message.xor_address(value));
        (peer.expect("an address"), message.value(AttributeType::DATA).expect("data").len())
    });
    measure("Send indication, crate", || {
        let mut message = CrateMessage::new();
        message.raw = black_box(&send).clone();
        message.decode().expect("sound");
        let (mut peer, mut data) = (peeraddr::PeerAddress::default(), data::Data::default());
        peer.get_from(&message).expect("an address");
        data.get_from(&message).expect("data");
        (SocketAddr::new(peer.ip, peer.port), data.0.len())
    });
    measure("ChannelData, ours", || ChannelData::parse(black_box(&channel)).expect("sound").length);
    measure("ChannelData, crate", || {
        let mut message = chandata::ChannelData { raw: black_box(&channel).clone(), ..Default::default() };
        message.decode().expect("sound");
        message.data.len()
    });
}

/// Prints the median of several rounds.
fn measure<T>(name: &str, read: impl Fn() -> T) {
    let before = ALLOCATOR.0.load(Ordering::Relaxed);
    black_box(read());
    let allocations = ALLOCATOR.0.load(Ordering::Relaxed) - before;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..MESSAGES).for_each(|_| {
                black_box(read());
            });
            start.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<24} {:>8.0} ns {allocations:>4} allocations", rounds[ROUNDS / 2]);
}
