use super::*;
use crate::virtual_time::start;
use std::net::SocketAddr;

fn agent() -> IceLite {
    IceLite::new(&parameters("node"))
}

fn parameters(node_ufrag: &str) -> IceParameters {
    IceParameters {
        node_ufrag: node_ufrag.into(),
        node_pwd: "secret".into(),
        client_ufrag: "client".into(),
        client_pwd: "of the client".into(),
    }
}

fn path(number: u16) -> Path {
    SocketAddr::from(([192, 0, 2, 1], number)).into()
}

fn at(ms: u64) -> Instant {
    start() + Duration::from_millis(ms)
}

fn request(use_candidate: bool) -> Request<'static> {
    Request {
        transaction: [7; 12],
        receiver_ufrag: "node",
        sender_ufrag: "client",
        use_candidate,
        role: Role::Controlling,
    }
}

fn check(agent: &mut IceLite, ms: u64, from: u16, request: Request<'_>, password: &str) -> Option<Checked> {
    let message = request.to_vec(&stun::key(password));
    let request = BindingRequest::parse(&message).expect("well formed");
    agent.handle_check(at(ms), path(from), &request)
}

fn plain(agent: &mut IceLite, ms: u64, from: u16) -> Checked {
    check(agent, ms, from, request(false), "secret").expect("authentic")
}

fn nominate(agent: &mut IceLite, ms: u64, from: u16) -> Checked {
    check(agent, ms, from, request(true), "secret").expect("authentic")
}

/// Our due checks.
fn asked(agent: &mut IceLite, ms: u64) -> Vec<(Path, Vec<u8>)> {
    let mut ids = TransactionIds::seeded(ms);
    std::iter::from_fn(|| agent.poll_ask(at(ms), &mut ids, 0)).collect()
}

fn answer(agent: &mut IceLite, ms: u64, from: u16, question: &[u8], password: &str) -> bool {
    let question = BindingRequest::parse(question).expect("well formed");
    let answer = Response::Success { mapped: path(99).address }.to_vec(&question, &stun::key(password));
    agent.handle_answer(at(ms), path(from), &BindingSuccess::parse(&answer).expect("well formed"))
}

/// Makes the client answer all checks at these addresses.
fn prove(agent: &mut IceLite, ms: u64, answering: &[u16]) {
    for (to, question) in asked(agent, ms) {
        if answering.contains(&to.address.port()) {
            assert!(answer(agent, ms, to.address.port(), &question, "of the client"));
        }
    }
}

/// A client at address 1 that has sent packets there.
fn settled() -> IceLite {
    let mut agent = agent();
    nominate(&mut agent, 0, 1);
    prove(&mut agent, 0, &[1]);
    agent.note_authentic(at(0), path(1));
    assert_eq!(agent.selected(), Some(path(1)));
    agent
}

#[test]
fn media_goes_where_the_client_answers_and_not_before() {
    let mut agent = agent();
    assert!(nominate(&mut agent, 0, 1).is_verified);
    agent.note_authentic(at(1), path(1));
    assert_eq!(agent.selected(), None);
    let asked = asked(&mut agent, 1);
    assert_eq!(asked.len(), 1);
    let request = BindingRequest::parse(&asked[0].1).expect("well formed");
    assert_eq!((request.receiver_ufrag, request.sender_ufrag), ("client", "node"));
    assert_eq!((request.role, request.use_candidate), (Some(Role::Controlled), false));
    assert!(!answer(&mut agent, 2, 1, &asked[0].1, "of another"), "a wrong password");
    assert!(!answer(&mut agent, 2, 2, &asked[0].1, "of the client"), "from elsewhere");
    assert_eq!(agent.selected(), None);
    assert!(answer(&mut agent, 2, 1, &asked[0].1, "of the client"));
    assert!(!answer(&mut agent, 2, 1, &asked[0].1, "of the client"), "once");
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn what_is_not_answered_is_asked_again_a_few_times() {
    let mut agent = agent();
    plain(&mut agent, 0, 1);
    let mut times = Vec::new();
    let mut questions = Vec::new();
    for ms in 0..40_000 {
        for (_, question) in asked(&mut agent, ms) {
            times.push(ms);
            questions.push(question);
        }
    }
    assert_eq!(times, [0, 250, 750, 1_750, 3_750, 7_750, 15_750]);
    assert!(questions.windows(2).all(|pair| pair[0] == pair[1]), "RFC 8489 §6.2.1: the same request");
    plain(&mut agent, 40_000, 1);
    assert_ne!(asked(&mut agent, 40_000)[0].1, questions[0]);
}

#[test]
fn strangers_get_silence() {
    for (changed, password) in [
        (request(true), "wrong"),
        (Request { receiver_ufrag: "other", ..request(true) }, "secret"),
        (Request { sender_ufrag: "other", ..request(true) }, "secret"),
    ] {
        let mut agent = agent();
        assert_eq!(check(&mut agent, 0, 1, changed, password), None);
        assert_eq!((agent.paths().count(), agent.selected(), agent.last_check_at()), (0, None, None));
        assert!(asked(&mut agent, 0).is_empty());
    }
}

#[test]
fn a_handshake_may_begin_before_the_answer_and_is_bounded_until_then() {
    let mut agent = agent();
    agent.note_dtls_from(at(0), path(1));
    assert_eq!(agent.handshake_to(at(0), 1_000), None, "nobody checked");
    plain(&mut agent, 0, 1);
    let sent = (0..100).filter(|_| agent.handshake_to(at(0), 1_000) == Some(path(1))).count();
    assert_eq!(sent, 4);
    prove(&mut agent, 100, &[1]);
    assert_eq!(agent.handshake_to(at(100), 1_000), Some(path(1)));
}

#[test]
fn a_handshake_is_answered_where_it_comes_from() {
    let mut agent = agent();
    nominate(&mut agent, 0, 1);
    nominate(&mut agent, 0, 2);
    prove(&mut agent, 1, &[1, 2]);
    agent.note_dtls_from(at(2), path(1));
    assert_eq!(agent.selected(), Some(path(1)), "whatever was nominated last: Firefox nominates every pair");
}

#[test]
fn media_follows_authentic_packets_and_not_checks() {
    let mut agent = settled();
    nominate(&mut agent, 1_000, 2);
    prove(&mut agent, 1_000, &[2]);
    assert_eq!(agent.selected(), Some(path(1)), "the client is heard at the first");
    agent.note_authentic(at(1_010), path(2));
    assert_eq!(agent.selected(), Some(path(2)));
    agent.note_authentic(at(1_020), path(1));
    assert_eq!(agent.selected(), Some(path(2)), "a late packet");
    agent.note_authentic(at(1_300), path(1));
    assert_eq!(agent.selected(), Some(path(1)), "back again");
}

#[test]
fn a_check_in_the_name_of_a_victim_moves_nothing() {
    for is_nomination in [true, false] {
        let mut agent = settled();
        for ms in (0..60_000).step_by(20) {
            check(&mut agent, ms, 666, request(is_nomination), "secret");
            agent.note_authentic(at(ms), path(666));
            plain(&mut agent, ms, 1);
            prove(&mut agent, ms, &[1]);
            agent.handle_timeout(at(ms));
            assert_eq!(agent.selected(), Some(path(1)));
        }
    }
}

#[test]
fn a_silent_client_is_followed_by_its_nomination() {
    let mut agent = settled();
    nominate(&mut agent, 2_000, 2);
    prove(&mut agent, 2_000, &[2]);
    assert_eq!(agent.selected(), Some(path(2)));
}

/// A silent client whose plain checks come from address 2 after 5 s; the parameter says whether it still answers at
/// address 1.
fn rebound(answers_at_first: bool) -> Option<Path> {
    let mut agent = settled();
    let answering: &[u16] = if answers_at_first { &[1, 2] } else { &[2] };
    plain(&mut agent, 5_000, 2);
    for ms in 5_000..8_000 {
        agent.handle_timeout(at(ms));
        prove(&mut agent, ms, answering);
    }
    agent.selected()
}

#[test]
fn a_silent_client_that_does_not_nominate_is_asked_where_it_is() {
    assert_eq!(rebound(false), Some(path(2)));
    assert_eq!(rebound(true), Some(path(1)), "both paths live");
}

#[test]
fn consent_is_of_an_address() {
    let mut agent = settled();
    for ms in (5_000..40_000).step_by(5_000) {
        plain(&mut agent, ms, 2);
        prove(&mut agent, ms, &[2]);
        agent.note_authentic(at(ms), path(1));
        let forgotten = agent.handle_timeout(at(ms));
        let expected: &[Path] = if ms == 30_000 { &[path(1)] } else { &[] };
        assert_eq!(forgotten, expected, "{ms}");
    }
    assert_eq!(agent.selected(), Some(path(2)));
}

#[test]
fn an_address_that_is_not_answered_at_any_more_is_not_sent_to() {
    let mut agent = settled();
    for ms in (1_000..=30_000).step_by(1_000) {
        plain(&mut agent, ms, 1);
        agent.handle_timeout(at(ms));
        assert_eq!(agent.selected().is_some(), ms < 30_000, "{ms}");
    }
    prove(&mut agent, 31_000, &[1]);
    assert_eq!(agent.selected(), Some(path(1)), "and is again when it answers");
}

#[test]
fn a_proof_is_renewed_with_the_clients_checks() {
    let mut agent = settled();
    let mut times = Vec::new();
    for ms in (1_000..31_000).step_by(1_000) {
        plain(&mut agent, ms, 1);
        for (_, question) in asked(&mut agent, ms) {
            times.push(ms);
            assert!(answer(&mut agent, ms, 1, &question, "of the client"));
        }
    }
    assert_eq!(times, [10_000, 20_000, 30_000]);
}

#[test]
fn without_the_clients_password_its_checks_are_proof() {
    let mut agent = IceLite::new(&IceParameters { client_pwd: String::new(), ..parameters("node") });
    plain(&mut agent, 0, 1);
    assert!(asked(&mut agent, 0).is_empty());
    assert_eq!(agent.selected(), Some(path(1)));
    agent.note_authentic(at(10), path(1));
    nominate(&mut agent, 20, 2);
    assert_eq!(agent.selected(), Some(path(1)));
    agent.note_authentic(at(30), path(2));
    assert_eq!(agent.selected(), Some(path(2)));
}

#[test]
fn a_full_agent_that_takes_itself_for_controlled_is_corrected() {
    let mut agent = agent();
    let checked = check(&mut agent, 0, 1, Request { role: Role::Controlled, ..request(true) }, "secret");
    let checked = checked.expect("authentic");
    assert_eq!(checked.answer[26..28], [4, 87]);
    assert!(!checked.is_verified && agent.paths().count() == 0 && agent.last_check_at().is_none());
}

#[test]
fn addresses_are_bounded_and_the_selected_one_stays() {
    let mut agent = settled();
    let count = PATHS_PER_SESSION_MAX as u16;
    for port in 2..=count {
        assert_eq!(plain(&mut agent, u64::from(port), port).forgotten, None);
    }
    prove(&mut agent, 50, &[2]);
    assert_eq!(plain(&mut agent, 100, count + 1).forgotten, Some(path(3)), "the oldest that never answered");
    assert_eq!(agent.paths().count(), PATHS_PER_SESSION_MAX);
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn an_address_that_was_taken_over_is_not_sent_to() {
    let mut agent = settled();
    plain(&mut agent, 10, 2);
    prove(&mut agent, 10, &[2]);
    agent.forget(at(20), path(1));
    assert_eq!(agent.selected(), Some(path(2)));
    agent.forget(at(20), path(2));
    assert_eq!(agent.selected(), None);
}

#[test]
fn a_restart_changes_the_credentials_and_keeps_the_path() {
    let mut agent = settled();
    agent.restart(&parameters("next"));
    assert_eq!(agent.selected(), Some(path(1)));
    assert_eq!(check(&mut agent, 10, 1, request(true), "secret"), None, "the old credentials are gone");
    let next = Request { receiver_ufrag: "next", ..request(true) };
    assert!(check(&mut agent, 10, 2, next, "secret").is_some());
    prove(&mut agent, 10, &[2]);
    agent.note_authentic(at(20), path(2));
    assert_eq!(agent.selected(), Some(path(2)));
}
