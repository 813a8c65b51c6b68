//! A minute of a call, and its quality report.

use super::world::{AUDIO, AUDIO_SLOT, VIDEO, VIDEO_SLOT, World};
use super::{Output, send_frame};
use crate::rtcp::ReportBlock;
use shared::control::{Grade, SessionQuality, TrackQuality};
use shared::rtp_parameters::{Flow, MediaKind};

const FRAME_MS: u64 = 50;

/// This many seconds of audio and 20 frames per second, of two packets each; every hundredth packet is lost on the way
/// in.
fn play(world: &mut World, seconds: u64) {
    for number in 0..seconds * 1_000 / FRAME_MS {
        if number % 100 == 0 {
            (0..world.clients.len()).for_each(|place| world.send(place, world.clients[place].check(false)));
        }
        if number % 50 == 49 {
            let _lost = world.clients[0].video(false, true, false, 700);
            let rest = world.clients[0].video(false, false, true, 300);
            world.send(0, rest);
        } else {
            send_frame(world, 0, number == 0, &[700, 300]);
        }
        let sound = world.clients[0].sound(&[7; 100]);
        world.send(0, sound);
        world.run_for(FRAME_MS);
    }
}

fn samples(world: &mut World) -> Vec<SessionQuality> {
    let outputs = std::mem::take(&mut world.outputs).into_iter();
    outputs.filter_map(|output| if let Output::Quality(quality) = output { Some(*quality) } else { None }).collect()
}

fn track(sample: &SessionQuality, flow: Flow, kind: MediaKind) -> &TrackQuality {
    let found = sample.tracks.iter().find(|track| (track.flow, track.kind) == (flow, kind));
    found.unwrap_or_else(|| panic!("no {kind:?} in {:?}", sample.tracks))
}

#[test]
fn a_minute_of_each_session_is_told_as_counts_of_that_minute() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    play(&mut world, 65);
    samples(&mut world);
    play(&mut world, 10);
    world.run_for(800);
    let slot = world.clients[1].ssrc(VIDEO_SLOT);
    let block = ReportBlock { ssrc: slot, packets_lost: 7, jitter: 900, ..ReportBlock::default() };
    let report = world.clients[1].report(|writer| {
        writer.receiver_report(1, [block].into_iter()).expect("room");
        writer.nack(1, slot, [1, 2].into_iter()).expect("room");
        writer.picture_loss(1, slot).expect("room");
    });
    world.send(1, report);
    play(&mut world, 60);
    let samples = samples(&mut world);
    let [publisher, viewer] = [0, 1].map(|place| {
        let id = world.clients[place].id();
        samples.iter().find(|sample| sample.session == id).expect("a sample of everybody")
    });
    assert!((59_900..60_100).contains(&publisher.interval_ms), "{}", publisher.interval_ms);
    let sent = track(publisher, Flow::ClientToNode, MediaKind::Video);
    assert!((2_300..2_420).contains(&(sent.packets + sent.packets_lost)), "{sent:?}");
    assert!((22..=25).contains(&sent.packets_lost), "{sent:?}");
    // The last packet of a frame arrives even if the first one is lost.
    assert!((1_150..=1_201).contains(&sent.frames), "{sent:?}");
    assert!(sent.freezes == 1 && sent.plis >= 1, "nothing is sent again, so key frames are asked for: {sent:?}");
    assert!(sent.nacks >= sent.packets_lost, "{sent:?}");
    assert!((150_000..160_000).contains(&sent.bitrate_bps), "{sent:?}");
    assert_eq!(track(publisher, Flow::ClientToNode, MediaKind::Audio).packets_lost, 0);
    assert_eq!(publisher.grade, Grade::Excellent, "of all packets, a hundred and fiftieth is lost");

    let received = track(viewer, Flow::NodeToClient, MediaKind::Video);
    assert_eq!((received.packets_lost, received.jitter_ms, received.nacks, received.plis), (7, 10, 1, 1));
    assert_eq!(received.freezes, 1, "{received:?}");
    assert!(received.packets.abs_diff(sent.packets) < 50, "{received:?}");
    assert_eq!(viewer.tracks.len(), 2, "slots in which nothing plays are left out");
    assert_eq!(world.sfu.stats().grades().map(|(_, count)| count).sum::<u64>(), 4);
}
