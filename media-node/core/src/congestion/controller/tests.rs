use super::*;
use crate::rtcp::transport_feedback::Report;
use crate::rtcp::write::Writer;
use crate::rtcp::{Compound, Packet};
use crate::virtual_time::start;

const PACKET_BYTES: usize = 1_000;

fn at(ms: u64) -> Instant {
    start() + Duration::from_millis(ms)
}

/// Reports packets from a number on; each arrives at its time in milliseconds, if it does.
fn report(controller: &mut Controller, now_ms: u64, first: u16, arrivals: &[Option<u64>]) -> News {
    let mut buffer = [0; 1_200];
    let mut writer = Writer::new(&mut buffer);
    let arrivals = arrivals.iter().map(|at| Some((*at)? * 4));
    writer.transport_feedback(1, Report { ssrc: 2, first, number: 0, arrivals }).expect("room");
    let length = writer.bytes();
    let mut packets = Compound::parse(&buffer[..length]).expect("our own report");
    let Some(Packet::TransportCongestion(feedback)) = packets.next() else { panic!("no feedback") };
    controller.feedback(at(now_ms), &feedback)
}

/// Sends a packet every 20 ms in the given time, and reports the arrivals every 100 ms.
fn send(controller: &mut Controller, from_ms: u64, until_ms: u64, is_reported: bool) {
    for begin in (from_ms..until_ms).step_by(100) {
        let numbers: Vec<u16> =
            (0..5).map(|place| controller.sent(at(begin + 20 * place), PACKET_BYTES, Kind::Video, None)).collect();
        let arrivals: Vec<_> = (0..5).map(|place| Some(begin + 20 * place + 30)).collect();
        if is_reported {
            report(controller, begin + 100, numbers[0], &arrivals);
        }
        while controller.poll_timeout().is_some_and(|due| due <= at(begin + 100)) {
            controller.handle_timeout(at(begin + 100));
        }
    }
}

#[test]
fn what_is_sent_bounds_the_growth_but_does_not_lower_the_target() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 20_000, true);
    // 400 kbit/s are sent, which reveal up to half as much more.
    let target = controller.target_bps();
    assert!((550_000..=620_000).contains(&target), "{target}");
    assert_eq!(controller.reason(), EstimateReason::Growth);
    assert!(controller.next_probe(at(20_000)).is_none(), "nobody wants more");
    assert_eq!(controller.pacing_bps(), (target as f64 * PACING) as u64);
}

#[test]
fn a_client_that_falls_silent_is_sent_less_and_less() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 2_000, true);
    let before = controller.target_bps();
    assert_eq!(controller.poll_timeout(), None, "nothing is under way");
    send(&mut controller, 2_000, 2_900, false);
    assert_eq!((controller.target_bps(), controller.poll_timeout()), (before, Some(at(3_000))));
    send(&mut controller, 2_900, 6_000, false);
    assert_eq!(controller.reason(), EstimateReason::Starved);
    let starved = controller.target_bps();
    assert!(starved < before / 4 && starved >= TARGET_MIN_BPS as u64, "{starved} of {before}");
    send(&mut controller, 6_000, 9_000, true);
    assert!(controller.target_bps() > starved);
}

#[test]
fn the_operator_sets_the_first_target_and_the_lowest() {
    let bandwidth = Bandwidth { start_bps: 1_000_000, min_bps: 600_000, ..Bandwidth::default() };
    let mut controller = Controller::new(at(0), &bandwidth);
    assert_eq!((controller.target_bps(), controller.reason()), (1_000_000, EstimateReason::Start));
    controller.remb(at(0), 100_000);
    assert_eq!((controller.target_bps(), controller.reason()), (600_000, EstimateReason::Remb));
    let mut controller = Controller::new(at(0), &bandwidth);
    send(&mut controller, 0, 2_000, true);
    send(&mut controller, 2_000, 10_000, false);
    assert_eq!((controller.target_bps(), controller.reason()), (600_000, EstimateReason::Starved));
    controller.change_route(at(10_000));
    assert_eq!((controller.target_bps(), controller.reason()), (1_000_000, EstimateReason::Start));
}

#[test]
fn another_route_begins_anew_and_reports_about_the_previous_one_say_nothing() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 20_000, true);
    let first = controller.sent(at(20_000), PACKET_BYTES, Kind::Video, None);
    (1..20).for_each(|number| {
        controller.sent(at(20_000 + number), PACKET_BYTES, Kind::Video, None);
    });
    controller.set_wanted(at(20_000), 1_000_000, 2_000_000);
    controller.change_route(at(20_100));
    assert_eq!((controller.target_bps(), controller.reason()), (300_000, EstimateReason::Start));
    assert_eq!(controller.known_pacing_bps(), Some(750_000), "the client is known to report");
    // Half of them were lost, and the others waited for seconds.
    let arrivals: Vec<_> = (0..20).map(|number| (number % 2 == 0).then_some(22_000 + 100 * number)).collect();
    assert_eq!(report(&mut controller, 20_200, first, &arrivals), News::default());
    assert_eq!((controller.target_bps(), controller.reason()), (300_000, EstimateReason::Start));
    controller.sent(at(20_300), PACKET_BYTES, Kind::Video, None);
    let probes: Vec<_> = std::iter::from_fn(|| controller.next_probe(at(20_300))).map(|probe| probe.bps).collect();
    assert_eq!(probes, [1_200_000, 2_100_000]);
}

#[test]
fn another_route_begins_no_higher_than_the_previous_one_ended() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    controller.remb(at(0), 150_000);
    controller.change_route(at(1_000));
    assert_eq!(controller.target_bps(), 150_000);
    // A previous route that has ended carried nothing at last.
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 2_000, true);
    send(&mut controller, 2_000, 10_000, false);
    assert!(controller.target_bps() < 100_000);
    controller.change_route(at(10_000));
    assert_eq!((controller.target_bps(), controller.poll_timeout()), (300_000, None));
}

#[test]
fn another_port_keeps_the_estimate_and_returns_what_silence_took() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 20_000, true);
    let before = controller.target_bps();
    let first = controller.sent(at(20_000), PACKET_BYTES, Kind::Video, None);
    (1..20).for_each(|number| {
        controller.sent(at(20_000 + number), PACKET_BYTES, Kind::Video, None);
    });
    controller.change_port(at(20_500));
    assert_eq!(report(&mut controller, 20_600, first, &[None; 20]), News::default());
    assert_eq!((controller.target_bps(), controller.reason()), (before, EstimateReason::Growth));
    send(&mut controller, 20_600, 26_000, false);
    assert!(controller.target_bps() < before / 4);
    controller.change_port(at(26_000));
    assert_eq!(controller.target_bps(), before);
}

#[test]
fn clients_without_feedback_are_believed() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    send(&mut controller, 0, 5_000, false);
    assert_eq!((controller.target_bps(), controller.reason()), (300_000, EstimateReason::Start));
    controller.remb(at(5_000), 2_000_000);
    assert_eq!((controller.target_bps(), controller.reason()), (2_000_000, EstimateReason::Remb));
    controller.reception(at(6_000), 0.3);
    assert_eq!((controller.target_bps(), controller.reason()), (1_700_000, EstimateReason::Loss));
    controller.remb(at(7_000), 1_000_000);
    assert_eq!((controller.target_bps(), controller.reason()), (1_000_000, EstimateReason::Remb));
}

#[test]
fn reports_of_what_was_never_sent_say_nothing() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    report(&mut controller, 100, 7, &[Some(1), None, Some(2)]);
    report(&mut controller, 100, 65_000, &[Some(1), None, Some(2)]);
    assert_eq!((controller.target_bps(), controller.reason()), (300_000, EstimateReason::Start));
}

#[test]
fn reference_times_wrap() {
    let mut controller = Controller::new(at(0), &Bandwidth::default());
    controller.sent(at(0), PACKET_BYTES, Kind::Video, None);
    let last = controller.history.report(1, true).expect("just sent").0;
    for ticks in [i64::from(i32::MAX) - 3, i64::from(i32::MIN) + 4, i64::from(i32::MIN) + 8] {
        controller.arrived(last, ticks);
    }
    assert_eq!(controller.ticks, Some(TICKS_FIRST + i64::from(i32::MAX) + 9));
}

/// Sends at 400 kbit/s for 2 s over a link whose queue delays each packet by this much or a little more, and which loses
/// every tenth.
fn overflows(queue_ms: u64, bandwidth: &Bandwidth) -> bool {
    let mut controller = Controller::new(at(0), bandwidth);
    send(&mut controller, 0, 1_000, true);
    for begin in (1_000..3_000).step_by(200) {
        let numbers: Vec<u16> =
            (0..10).map(|place| controller.sent(at(begin + 20 * place), PACKET_BYTES, Kind::Video, None)).collect();
        let way_ms = 30 + queue_ms * (10 + begin / 200 % 3) / 10;
        let arrivals: Vec<_> = (0..10).map(|place| (place != 5).then_some(begin + 20 * place + way_ms)).collect();
        report(&mut controller, begin + 200, numbers[0], &arrivals);
    }
    controller.overflows()
}

#[test]
fn a_narrow_link_overflows_where_packets_get_lost_behind_a_long_queue() {
    let narrow = Bandwidth::default();
    assert!(overflows(180, &narrow));
    assert!(!overflows(0, &narrow), "loss on the air");
    assert!(
        !overflows(180, &Bandwidth { start_bps: 2_000_000, min_bps: 1_000_000, ..narrow }),
        "a wide link has room for repairs"
    );
}
