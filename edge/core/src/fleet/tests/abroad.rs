//! The Fleet objects of two regions tell each other of their nodes.

use super::*;

fn other() -> Region {
    Region::parse("other").unwrap()
}

fn news(media: &[u8], turn: &[&str]) -> News {
    let turn = turn.iter().map(|name| vec![format!("turn:{name}.example.net:3478")]).collect();
    let media = media.iter().map(|number| ([192, 0, 2, *number], 7000).into()).collect();
    News { region: other(), media, turn }
}

/// The addresses that a TURN node hears of.
fn told(outputs: &[Output]) -> Option<Vec<String>> {
    sent(outputs).into_iter().find_map(|message| match message {
        FleetToNode::SetMediaNodes { addresses } => Some(addresses.iter().map(ToString::to_string).collect()),
        _ => None,
    })
}

fn tells(outputs: &[Output]) -> Option<News> {
    outputs.iter().find_map(|output| if let Output::Tell(news) = output { Some(news.clone()) } else { None })
}

#[test]
fn turn_nodes_relay_to_the_media_nodes_of_every_region() {
    check(|stage| {
        stage.registered(1, "media-1");
        stage.turn(2, "turn-1", 100);
        let outputs = stage.input(Input::News(news(&[7], &[])));
        assert_eq!(told(&outputs).unwrap(), ["127.0.0.1:7000", "127.0.0.1:7001", "192.0.2.7:7000"]);
        assert_eq!(told(&stage.input(Input::News(news(&[7], &[])))), None, "nothing is new");
        // A TURN node that comes later hears of them too.
        let (_, messages) = stage.turn(3, "turn-2", 100);
        assert!(matches!(&messages[1], FleetToNode::SetMediaNodes { addresses } if addresses.len() == 3));
        let outputs = stage.input(Input::News(news(&[8], &[])));
        assert_eq!(told(&outputs).unwrap()[2], "192.0.2.8:7000");
    });
}

#[test]
fn a_room_hears_of_the_turn_nodes_of_every_region() {
    check(|stage| {
        stage.registered(1, "media-1");
        stage.turn(2, "turn-1", 100);
        stage.input(Input::News(news(&[], &["a", "b", "c"])));
        let (PlaceAnswer::Placed(placement), _) = stage.place(&[]) else { panic!("a node is there") };
        assert_eq!(placement.relays[&region()].concat(), turn_registration("turn-1", 1).urls);
        let abroad = placement.relays[&other()].concat();
        let distinct: BTreeSet<&String> = abroad.iter().collect();
        assert_eq!((abroad.len(), distinct.len()), (limits::TURN_NODES_PER_CLIENT, limits::TURN_NODES_PER_CLIENT));
        stage.input(Input::News(news(&[], &[])));
        assert!(!stage.fleet.relays(stage.now).contains_key(&other()));
    });
}

#[test]
fn a_region_that_says_nothing_more_is_forgotten() {
    check(|stage| {
        stage.input(Input::News(news(&[7], &["a"])));
        let heard_at = stage.now;
        stage.now = heard_at.plus_ms(limits::NEWS_INTERVAL_MS);
        stage.input(Input::News(news(&[7], &["a"])));
        assert_eq!(stage.fleet.poll_timeout(), Some(stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS)));
        stage.now = stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS - 1);
        stage.input(Input::Deadline);
        assert_eq!(stage.fleet.relays(stage.now).len(), 1);
        stage.now = stage.now.plus_ms(1);
        stage.input(Input::Deadline);
        assert_eq!((stage.fleet.relays(stage.now).len(), stage.rows.len()), (0, 0));
        assert_eq!(stage.fleet.poll_timeout(), None);
    });
}

#[test]
fn changes_are_told_together_and_repeated_while_there_are_nodes() {
    let mut stage = Stage::new(false);
    let media = stage.registered(1, "media-1");
    let (turn, _) = stage.turn(2, "turn-1", 100);
    let changed_at = stage.now;
    assert_eq!(stage.fleet.poll_timeout(), Some(changed_at.plus_ms(limits::NEWS_GATHERED_MS)));
    stage.now = changed_at.plus_ms(limits::NEWS_GATHERED_MS);
    // A room never waits for the other regions.
    assert_eq!(tells(&stage.place(&[]).1), None);
    let expected = News {
        region: region(),
        media: vec![([127, 0, 0, 1], 7000).into(), ([127, 0, 0, 1], 7001).into()],
        turn: vec![turn_registration("turn-1", 1).urls],
    };
    assert_eq!(tells(&stage.input(Input::Deadline)), Some(expected.clone()));
    assert_eq!(tells(&stage.input(Input::Deadline)), None);
    for _ in 0..limits::NEWS_INTERVAL_MS / limits::HEARTBEAT_INTERVAL_MS {
        stage.now = stage.now.plus_ms(limits::HEARTBEAT_INTERVAL_MS);
        for socket in [media, turn] {
            stage.says(socket, NodeToFleet::Heartbeat { load: NodeLoad::default() });
        }
    }
    assert_eq!(tells(&stage.input(Input::Deadline)), Some(expected.clone()));
    // A TURN node that is about to stop takes no more clients.
    stage.says(turn, NodeToFleet::Draining {});
    // Before it could tell, the fleet sleeps.
    stage.sleep();
    stage.now = stage.now.plus_ms(limits::NEWS_GATHERED_MS);
    assert_eq!(tells(&stage.input(Input::Deadline)), Some(News { turn: vec![], ..expected }));
    for socket in [media, turn] {
        stage.sockets.remove(&socket);
        stage.input(Input::SocketClosed { socket });
    }
    // The media node may still serve clients, and is told until it is forgotten; then the others are told that.
    stage.now = stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS);
    assert_eq!(tells(&stage.input(Input::Deadline)), Some(News { region: region(), media: vec![], turn: vec![] }));
    assert_eq!(stage.fleet.poll_timeout(), None);
}

#[test]
fn news_is_limited() {
    check(|stage| {
        stage.turn(2, "turn-1", 100);
        let media = (0..20_000_u32).map(|number| {
            let [_, _, high, low] = number.to_be_bytes();
            ([10, 1, high, low], 7000).into()
        });
        let url = vec!["turn:a.example.net".to_owned()];
        let huge = News { region: other(), media: media.collect(), turn: vec![url; 1_000] };
        let outputs = stage.input(Input::News(huge));
        assert_eq!(told(&outputs).unwrap().len(), limits::MEDIA_ADDRESSES_TOLD_ABROAD_MAX);
        let own = News { region: region(), ..news(&[1], &["a"]) };
        assert!(told(&stage.input(Input::News(own))).is_none(), "only a region itself knows its nodes");
        for number in 0..2 * limits::REGIONS_MAX {
            let region = Region::parse(&format!("r{number}")).unwrap();
            stage.input(Input::News(News { region, ..news(&[], &["a"]) }));
        }
        assert_eq!(stage.fleet.relays(stage.now).len(), limits::REGIONS_MAX + 1);
        let row = stage.rows.get("region/other").unwrap();
        assert!(row.len() < 2_000_000, "{} bytes", row.len());
    });
}
