//! `cargo xtask cloud-init`: the first start of a host anywhere, with the repository's own systemd unit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which node the host runs
    node: Node,
    /// The node's environment file, as docs/operations.md lists its settings; `@ipv4@` stands for the host's own address
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// Where the host downloads the program
    #[arg(long, value_name = "URL")]
    program: String,
    /// The program's SHA-256; the host installs no other
    #[arg(long, value_name = "HEX")]
    sha256: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Node {
    MediaNode,
    TurnNode,
}

impl Node {
    fn name(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::TurnNode => "turn-node",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::MediaNode => "MEDIA_",
            Self::TurnNode => "TURN_",
        }
    }
}

/// Replaces `@ipv4@` by the address from which the host reaches others; nothing is sent to 192.0.2.1 (RFC 5737).
const FILL_IN: &str = "address=$(ip -4 route get 192.0.2.1 | sed -n 's/.* src \\([0-9.]*\\).*/\\1/p'); \
    [ -n \"$address\" ] && sed -i \"s/@ipv4@/$address/g\" \"$1\"";

/// Downloads `$1`, and installs it as `$3` if its SHA-256 is `$2`.
const INSTALL: &str = "set -e; new=\"$3.new\"; curl --fail --silent --show-error --location --retry 5 --output \"$new\" \"$1\"; \
    echo \"$2  $new\" | sha256sum --check --quiet; chmod 755 \"$new\"; mv \"$new\" \"$3\"";

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let unit = read(&workspace.path(&format!("docs/systemd/{}.service", options.node.name())))?;
    let sysctl = read(&workspace.path("docs/systemd/90-rotunda.conf"))?;
    println!("{}", user_data(options, &unit, &sysctl, &read(&options.settings)?)?);
    Ok(())
}

/// JSON is also YAML, and needs no second way of quoting.
fn user_data(options: &Options, unit: &str, sysctl: &str, settings: &str) -> Result<String> {
    let Options { node, program, sha256, .. } = options;
    ensure!(program.starts_with("https://"), "--program: {program:?} does not begin with https://");
    let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_hex, "--sha256: {sha256:?} is not 64 hexadecimal digits");
    check_settings(*node, settings)?;
    let name = node.name();
    let environment = format!("/etc/rotunda/{name}.env");
    let file = |path: &str, mode: &str, content: &str| json!({ "path": path, "permissions": mode, "content": content });
    let shell = |script: &str, arguments: &[&str]| -> Value {
        ["sh", "-c", script, "sh"].iter().chain(arguments).map(|word| Value::from(*word)).collect()
    };
    let config = json!({
        "packages": ["curl"],
        "write_files": [
            file(&format!("/etc/systemd/system/{name}.service"), "0644", unit),
            file("/etc/sysctl.d/90-rotunda.conf", "0644", sysctl),
            file(&environment, "0600", settings),
        ],
        "runcmd": [
            ["sysctl", "--system"],
            shell(FILL_IN, &[&environment]),
            shell(INSTALL, &[program, sha256, &format!("/usr/local/bin/{name}")]),
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", name],
        ],
    });
    Ok(format!("#cloud-config\n{config:#}"))
}

fn check_settings(node: Node, settings: &str) -> Result<()> {
    for line in settings.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if !line.split_once('=').is_some_and(|(name, _)| name.starts_with(node.prefix())) {
            bail!("--settings: {line:?} does not set a variable that begins with {}", node.prefix());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const SETTINGS: &str = "# The first.\nMEDIA_NODE_ID=media-1\nMEDIA_ADVERTISE=@ipv4@\n";

    fn options() -> Options {
        Options {
            node: Node::MediaNode,
            settings: PathBuf::from("media-1.env"),
            program: "https://downloads.example.org/media-node".to_owned(),
            sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn a_host_runs_the_repositorys_own_unit() {
        let unit = include_str!("../../docs/systemd/media-node.service");
        let text = user_data(&options(), unit, "net.core.rmem_max = 1\n", SETTINGS).expect("good options");
        let config: Value =
            serde_json::from_str(text.strip_prefix("#cloud-config\n").expect("a header")).expect("JSON");
        let files = config["write_files"].as_array().expect("files");
        let content = |path: &str| files.iter().find(|file| file["path"] == path).map(|file| file["content"].clone());
        assert_eq!(content("/etc/systemd/system/media-node.service"), Some(unit.into()));
        assert_eq!(content("/etc/rotunda/media-node.env"), Some(SETTINGS.into()));
        assert_eq!(files[2]["permissions"], "0600");
        assert_eq!(config["runcmd"][4], json!(["systemctl", "enable", "--now", "media-node"]));
    }

    /// `MEDIA_RECORD_SPOOL` is a relative folder by default, and the unit may write nowhere else.
    #[test]
    fn the_spool_is_where_the_unit_may_write() {
        let unit = include_str!("../../docs/systemd/media-node.service");
        let config = include_str!("../../media-node/src/config/recording.rs");
        assert!(config.contains("default_value = \"recordings\""));
        for line in ["StateDirectory=media-node", "WorkingDirectory=/var/lib/media-node", "ProtectSystem=strict"] {
            assert!(unit.lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn what_would_not_work_is_refused() {
        let refused = |options: &Options, settings: &str| user_data(options, "", "", settings).is_err();
        assert!(!refused(&options(), SETTINGS));
        assert!(refused(&options(), "TURN_KEYS=k1:x\n"));
        assert!(refused(&Options { program: "http://x".to_owned(), ..options() }, SETTINGS));
        assert!(refused(&Options { sha256: "abc".to_owned(), ..options() }, SETTINGS));
    }

    /// Runs a script of the first start in a separate folder.
    fn sh(script: &str, arguments: &[&Path]) -> bool {
        let script = script.replace(
            "curl --fail --silent --show-error --location --retry 5 --output \"$new\" \"$1\"",
            "cp \"$1\" \"$new\"",
        );
        Command::new("sh").args(["-c", &script, "sh"]).args(arguments).output().expect("a shell").status.success()
    }

    #[test]
    fn only_the_named_program_is_installed() {
        let folder = std::env::temp_dir().join(format!("rotunda-cloud-init-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (download, installed) = (folder.join("download"), folder.join("media-node"));
        std::fs::write(&download, "the program").expect("a file");
        let digest = Command::new("sha256sum").arg(&download).output().expect("sha256sum").stdout;
        let digest = String::from_utf8_lossy(&digest)[..64].to_owned();
        assert!(!sh(INSTALL, &[&download, Path::new(&"0".repeat(64)), &installed]) && !installed.exists());
        assert!(sh(INSTALL, &[&download, Path::new(&digest), &installed]) && installed.exists());
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
