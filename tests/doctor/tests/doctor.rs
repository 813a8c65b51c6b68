//! The doctor checks healthy and broken programs, and names the failing hop.

use serde_json::{Value, json};
use stack::Stack;
use std::process::Command;

/// The doctor's report; also checks that its exit code agrees.
fn visit(url: &str, arguments: &[&str]) -> Value {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_rotunda"));
    doctor.args(["doctor", url, "--json"]).args(arguments).env_remove("ROTUNDA_API_KEY").env_remove("ROTUNDA_TOKEN");
    let output = doctor.output().expect("the doctor runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(output.status.code(), Some(if report["ok"] == true { 0 } else { 1 }), "{report:#}");
    report
}

/// Every hop before the failing one succeeds, and every later one is skipped.
fn assert_fails(report: &Value, hop: &str, problem: &str) {
    assert_eq!(report["failed"], hop, "{report:#}");
    let hops = report["hops"].as_array().expect("hops");
    let at = hops.iter().position(|entry| entry["hop"] == hop).expect("the hop is listed");
    for (index, entry) in hops.iter().enumerate() {
        let expected = match index.cmp(&at) {
            std::cmp::Ordering::Less => "ok",
            std::cmp::Ordering::Equal => "failed",
            std::cmp::Ordering::Greater => "skipped",
        };
        assert_eq!(entry["state"], expected, "{report:#}");
    }
    let said = hops[at]["problem"].as_str().expect("a problem in words");
    assert!(said.contains(problem), "{said}");
    assert!(hops[at]["see"].as_str().expect("a heading").starts_with("docs/troubleshooting.md#"));
}

#[test]
fn says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_rotunda")).arg("--version").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("rotunda {}\n", shared::VERSION));
}

// Holds S3-TEST-01.
#[test]
fn each_ill_hop_of_a_deployment_is_named() {
    let mut stack = Stack::start();
    let (url, key) = (stack.url().to_owned(), stack.api_key().to_owned());
    let with_key = ["--api-key", key.as_str()];
    assert_fails(&visit(&url, &with_key), "turn", "returned no TURN server");

    stack.command(&json!({ "do": "start_turn_node" }));
    let well = visit(&url, &with_key);
    assert_eq!((&well["ok"], &well["failed"]), (&json!(true), &Value::Null), "{well:#}");
    assert_eq!(well["hops"][0]["note"], format!("version {}", shared::VERSION), "{well:#}");
    let token = stack.token("given", "ada");
    let well = visit(&url, &["--token", &token]);
    assert_eq!((&well["ok"], &well["hops"][1]["note"]), (&json!(true), &json!("room given")), "{well:#}");

    assert_fails(&visit(&url, &["--api-key", &format!("{key}x")]), "token", "bad_api_key");
    let forged = format!("{}x", token);
    assert_fails(&visit(&url, &["--token", &forged]), "signaling", "bad_token");

    stack.command(&json!({ "do": "kill_turn_node" }));
    assert_fails(&visit(&url, &with_key), "turn", "TURN");
    let env = json!({ "TURN_KEYS": "test:other-passwords-of-the-tests-01234" });
    stack.command(&json!({ "do": "start_turn_node", "env": env }));
    assert_fails(&visit(&url, &with_key), "turn", "refuses an allocation: 401 Unauthenticated");
    stack.command(&json!({ "do": "kill_turn_node" }));
    stack.command(&json!({ "do": "kill_node" }));
    assert_fails(&visit(&url, &with_key), "placement", "no_media_node");
}

#[test]
fn a_node_that_answers_nothing_is_the_udp_hop() {
    let mut stack = Stack::start();
    stack.command(&json!({ "do": "pause_node" }));
    let key = stack.api_key().to_owned();
    assert_fails(&visit(stack.url(), &["--api-key", &key]), "udp", "no answer from the media node");
}

#[test]
fn a_tcp_port_that_is_closed_is_the_ice_tcp_hop() {
    let mut stack = Stack::start();
    stack.command(&json!({ "do": "start_turn_node" }));
    let (url, key) = (stack.url().to_owned(), stack.api_key().to_owned());
    let with_key = ["--api-key", key.as_str()];
    let note = |report: &Value, hop: &str| {
        let hops = report["hops"].as_array().expect("hops");
        let entry = hops.iter().find(|entry| entry["hop"] == hop).expect("the hop is listed");
        entry["note"].as_str().unwrap_or_default().to_owned()
    };
    let without = visit(&url, &with_key);
    assert_eq!((&without["ok"], note(&without, "ice-tcp").starts_with("not offered")), (&json!(true), true));
    stack.command(&json!({ "do": "kill_node" }));
    stack.command(&json!({ "do": "start_node", "env": { "MEDIA_TCP_LISTEN": "127.0.0.1:0" } }));
    let well = visit(&url, &with_key);
    assert!(note(&well, "ice-tcp").starts_with("127.0.0.1:"), "{well:#}");
    // The node advertises another address than the one where it listens for TCP.
    stack.command(&json!({ "do": "kill_node" }));
    stack.command(&json!({ "do": "start_node", "env": { "MEDIA_TCP_LISTEN": "127.0.0.2:0" } }));
    assert_fails(&visit(&url, &with_key), "ice-tcp", "does its firewall allow inbound TCP to MEDIA_TCP_LISTEN?");
}

#[test]
fn nothing_at_the_url_is_the_address_hop() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    assert_fails(&visit(&format!("http://{free}"), &["--api-key", "a:b"]), "address", "onnection refused");
}
