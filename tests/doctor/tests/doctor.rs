//! The doctor visits real programs, well and ill: it names the hop that fails.

#[path = "../../robot/tests/stack/mod.rs"]
mod stack;

use serde_json::{Value, json};
use stack::Stack;
use std::process::Command;

/// What the doctor says, and whether its exit code says the same.
fn visit(url: &str, arguments: &[&str]) -> Value {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_rotunda"));
    doctor.args(["doctor", url, "--json"]).args(arguments).env_remove("ROTUNDA_API_KEY").env_remove("ROTUNDA_TOKEN");
    let output = doctor.output().expect("the doctor runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(output.status.code(), Some(if report["ok"] == true { 0 } else { 1 }), "{report:#}");
    report
}

/// Every hop before the failing one is well, every one after it is skipped.
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
fn each_ill_hop_of_a_deployment_is_named() {
    let mut stack = Stack::start();
    let (url, key) = (stack.url().to_owned(), stack.api_key().to_owned());
    let with_key = ["--api-key", key.as_str()];
    assert_fails(&visit(&url, &with_key), "turn", "named no TURN server");

    stack.command(&json!({ "do": "start_turn_node" }));
    let well = visit(&url, &with_key);
    assert_eq!((&well["ok"], &well["failed"]), (&json!(true), &Value::Null), "{well:#}");
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
fn nothing_at_the_url_is_the_address_hop() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    assert_fails(&visit(&format!("http://{free}"), &["--api-key", "a:b"]), "address", "onnection refused");
}
