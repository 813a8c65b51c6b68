//! The steps of `cargo xtask test`, in order: quick and informative steps come first.

use std::process::Command;

use anyhow::Result;

use super::Run;
use crate::build::{Flavour, Part};
use crate::{codegen, pins, progress, setup, tidy};

pub(crate) struct Step {
    /// For `--only`.
    pub(crate) name: &'static str,
    /// For `--list`.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Run<'_>) -> Result<()>,
}

/// For tests that each start a whole stack, with time limits that assume two cores.
const ONE_BY_ONE: &[&str] = &["--test-threads=1"];

pub(crate) const STEPS: &[Step] = &[
    Step { name: "format", about: "rustfmt", run: format },
    Step {
        name: "tidy",
        about: "rules of style that a program can check",
        run: |run| run.check("tidy", |run| tidy::run(run.workspace)),
    },
    Step {
        name: "codegen",
        about: "generated files are up to date, and every row of acceptance is covered or explained",
        run: codegen,
    },
    Step { name: "clippy", about: "no warnings, native and wasm32", run: clippy },
    Step { name: "unit", about: "every crate's own tests", run: unit },
    Step { name: "world", about: "whole rooms on a virtual clock, with seeded loss", run: world },
    Step { name: "fuzz", about: "every parser's corpus, replayed and mutated", run: fuzz },
    Step { name: "client", about: "types and tests of the SDK and the meet app", run: client },
    Step { name: "edge", about: "the built Worker inside workerd", run: edge },
    Step { name: "api", about: "schemathesis against the HTTP API in workerd", run: api },
    Step { name: "wrangler", about: "`wrangler deploy --dry-run` for each environment", run: wrangler },
    Step {
        name: "terraform",
        about: "the modules' tests against a mocked AWS, checkov, tflint",
        run: super::terraform::run,
    },
    Step {
        name: "delivery",
        about: "licences, the pipeline on GitHub, and a call through the containers' file systems",
        run: super::delivery::run,
    },
    Step { name: "dev", about: "`cargo xtask dev` started, and killed in every way", run: dev },
    Step {
        name: "turn",
        about: "clients of coturn and of the crate `turn` over UDP, TCP and TLS, refusals, floods, and the kernel",
        run: turn,
    },
    Step {
        name: "interop",
        about: "a robot on the crate `webrtc`, `rotunda doctor`, aiortc, GStreamer and werift, through the real programs",
        run: interop,
    },
    Step { name: "recording", about: "calls recorded into a storage, through kills of both", run: recording },
    Step { name: "soak", about: "robots come and go for some seconds, and nothing of them is left", run: soak },
    Step { name: "chaos", about: "each program is killed once during a call, and nobody is lost", run: chaos },
    Step { name: "load", about: "light robots in the real programs; a full node refuses the others", run: load },
    Step { name: "packages", about: "the npm packages, packed and installed elsewhere, in a call", run: packages },
    Step { name: "browser", about: "calls between Chromium and Firefox", run: browser },
    Step { name: "bench", about: "the benchmarks build, and run one short round", run: bench },
    Step {
        name: "first-call",
        about: "`cargo xtask dev` in a fresh clone: a call, then TURN and recording, work",
        run: first_call,
    },
];

fn format(run: &mut Run<'_>) -> Result<()> {
    setup::for_lint(run.tools)?;
    run.command("format", run.cargo(&["fmt", "--all", "--check", "--", "--color", "never"]))
}

fn codegen(run: &mut Run<'_>) -> Result<()> {
    run.check("codegen", |run| codegen::run(run.workspace, run.tools, true))
}

fn clippy(run: &mut Run<'_>) -> Result<()> {
    const NATIVE: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    const EDGE: &[&str] = &["clippy", "--package", "edge", "--target", pins::WASM_TARGET, "--", "--deny", "warnings"];
    setup::for_lint(run.tools)?;
    run.command("clippy", run.cargo(NATIVE))?;
    run.command("clippy edge", run.cargo(EDGE))?;
    let development = [&EDGE[..5], &["--features", "development"], &EDGE[5..]].concat();
    run.command("clippy edge (development)", run.cargo(&development))
}

fn unit(run: &mut Run<'_>) -> Result<()> {
    // Integration tests that start no second program of ours; the others have separate steps.
    run.command("unit", run.tests(&["--lib", "--bins", "--test", "room", "--test", "rfc8656"]))?;
    run.real_tests("programs", &["--test", "program"], &[])
}

fn world(run: &mut Run<'_>) -> Result<()> {
    run.command("world", run.tests(&["--test", "scenarios"]))
}

fn fuzz(run: &mut Run<'_>) -> Result<()> {
    run.command("fuzz", run.tests(&["--test", "replay"]))
}

fn client(run: &mut Run<'_>) -> Result<()> {
    // An installed tree hides a lockfile that a new machine could not install from.
    run.command("lockfile", run.npm(&["ci", "--dry-run"]))?;
    for folder in ["client/sdk", "client/react", "client/meet"] {
        run.command(&format!("types {folder}"), run.npm(&["run", "typecheck", "--workspace", folder]))?;
        run.command(&format!("tests {folder}"), run.npm(&["run", "test", "--workspace", folder]))?;
    }
    Ok(())
}

fn edge(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    run.part(Part::Edge, Flavour::Release)?;
    run.real_script("edge", |run| run.npm(&["run", "test", "--workspace", "tests/edge"]))?;
    // Each of these needs the whole machine.
    run.real_script("edge, flooded", |run| run.npm(&["run", "flood", "--workspace", "tests/edge"]))
}

fn api(run: &mut Run<'_>) -> Result<()> {
    run.part(Part::Edge, Flavour::Quick)?;
    let schemathesis = setup::for_api(run.tools)?;
    let mut command = run.npm(&["run", "api", "--workspace", "tests/edge", "--"]);
    command.arg(schemathesis);
    run.command("api", command)
}

fn wrangler(run: &mut Run<'_>) -> Result<()> {
    run.part(Part::Client, Flavour::Release)?;
    run.part(Part::Edge, Flavour::Release)?;
    for environment in ["development", "staging", "production"] {
        let mut command = run.tools.command("wrangler");
        command.args(["deploy", "--dry-run", "--env", environment, "--outdir"]);
        command.arg(run.workspace.state().join("wrangler").join(environment)).env("WRANGLER_SEND_METRICS", "false");
        run.command(&format!("wrangler {environment}"), command)?;
    }
    Ok(())
}

fn dev(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    run.real_tests("dev", &["--test", "dev"], ONE_BY_ONE)
}

fn turn(run: &mut Run<'_>) -> Result<()> {
    setup::for_relaying(run.tools)?;
    let tests =
        ["--test", "coturn", "--test", "datagrams", "--test", "pressure", "--test", "streams", "--test", "turn_crate"];
    run.real_tests("turn", &tests, &[])?;
    if setup::may_relay_in_kernel() {
        run.real_tests("turn in the kernel", &["--test", "kernel"], ONE_BY_ONE)?;
    } else {
        progress::skip("turn in the kernel", setup::KERNEL_NEEDS);
    }
    if setup::for_certificates(run.tools)? {
        return run.real_tests("acme", &["--test", "acme"], &[]);
    }
    progress::skip("acme", "no Pebble, and no Go to build it with");
    Ok(())
}

fn interop(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    setup::for_interop(run.tools)?;
    run.real_tests("interop", &["--test", "call"], ONE_BY_ONE)?;
    run.real_tests("doctor", &["--test", "doctor"], ONE_BY_ONE)?;
    run.real_script("interop peers", |run| run.npm(&["run", "interop", "--workspace", "tests/browser"]))
}

fn recording(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    setup::for_recordings(run.tools)?;
    // They wait most of their time, except one, which sends 20 Mbit/s.
    let several = ["--test-threads=3", "--nocapture", "--skip", "large::"];
    run.real_tests("recording", &["--test", "recording"], &several)?;
    run.real_tests("recording, large", &["--test", "recording"], &["--nocapture", "large::"])
}

fn soak(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    run.real_program("soak", |run| run.cargo(&["xtask", "soak", "--short"]))
}

fn chaos(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    // The goal for gaps is for a quiet machine: `cargo xtask chaos` fails when it is missed.
    run.real_program("chaos", |run| run.cargo(&["xtask", "chaos", "--short"]))
}

fn load(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    run.real_program("load", |run| run.cargo(&["xtask", "load", "--short"]))
}

fn packages(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    setup::for_browsers(run.tools)?;
    run.real_script("packages", |run| run.npm(&["run", "packages", "--workspace", "tests/browser"]))
}

fn browser(run: &mut Run<'_>) -> Result<()> {
    run.stack()?;
    setup::for_browsers(run.tools)?;
    let script = |run: &Run<'_>, name: &str| run.npm(&["run", name, "--workspace", "tests/browser"]);
    run.command("tests/link", run.cargo(&["build", "--workspace", "--bin", "link"]))?;
    run.real_script("browser", |run| script(run, "test"))?;
    for name in ["networks", "quality", "bad-links", "profiles"] {
        run.real_script(&format!("browser {name}"), |run| in_own_network(&script(run, name)))?;
    }
    Ok(())
}

fn bench(run: &mut Run<'_>) -> Result<()> {
    for name in ["sfu", "turn", "recording", "edge"] {
        // By cargo: an earlier step may have rebuilt the running program, whose file would be gone.
        let bench = run.cargo(&["xtask", "bench", name, "--smoke"]);
        run.command(&format!("bench {name}"), bench)?;
    }
    Ok(())
}

fn first_call(run: &mut Run<'_>) -> Result<()> {
    // With the libraries compiled so far. From nothing: `cargo xtask bench first-call`, which fails when it takes too long.
    run.command("bench first-call", run.cargo(&["xtask", "bench", "first-call", "--smoke"]))
}

/// The same command in a separate network namespace: its networks are never visible outside, and disappear with it.
fn in_own_network(command: &Command) -> Command {
    let mut isolated = Command::new("unshare");
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        isolated.args(["--user", "--map-root-user"]);
    }
    isolated.arg("--net").arg(command.get_program()).args(command.get_args());
    isolated.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        isolated.current_dir(folder);
    }
    isolated
}

#[cfg(test)]
mod tests {
    use crate::workspace::Workspace;

    /// Filters select tests by name, so a new file must be named in a step.
    #[test]
    fn every_integration_test_belongs_to_a_step() {
        let files = Workspace::locate().and_then(|workspace| workspace.files()).expect("a repository");
        let steps = include_str!("steps.rs");
        let mut found = 0;
        for file in files.iter().filter(|file| !file.contains("/src/")) {
            let Some((_, name)) = file.strip_suffix(".rs").and_then(|path| path.rsplit_once("/tests/")) else {
                continue;
            };
            let name = name.strip_suffix("/main").unwrap_or(name);
            if !name.contains('/') {
                found += 1;
                assert!(steps.contains(&format!("\"--test\", \"{name}\"")), "{file} is in no step");
            }
        }
        assert!(found > 10, "{found} files");
    }
}
