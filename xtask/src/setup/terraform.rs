//! Terraform with its AWS provider, and the programs that check modules. xtask does not install Terraform itself.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Tools, go, python, system};
use crate::lock::Lock;
use crate::pins;

/// The available checkers of modules.
pub(crate) struct Checkers {
    pub(crate) checkov: PathBuf,
    pub(crate) terraform: Option<PathBuf>,
    /// A folder of providers, for `terraform init -plugin-dir`.
    pub(crate) providers: Option<PathBuf>,
    pub(crate) tflint: Option<PathBuf>,
}

pub(crate) fn checkers(tools: &Tools) -> Result<Checkers> {
    let workspace = &tools.workspace;
    let _lock = Lock::take(workspace, "setup")?;
    system::ensure_python(workspace)?;
    let checkov = python::ensure_program(workspace, "checkov", "checkov", pins::CHECKOV)?;
    let tflint = go::program(tools, "tflint", "github.com/terraform-linters/tflint", pins::TFLINT)?;
    Ok(Checkers { checkov, terraform: tools.find("terraform"), providers: providers(), tflint })
}

/// A folder with the AWS provider: the output of `terraform providers mirror`, or Terraform's own folder for such
/// copies.
fn providers() -> Option<PathBuf> {
    let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".terraform.d/plugins"));
    let shared = ["/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"].map(PathBuf::from);
    let installed = std::fs::read_dir("/opt").into_iter().flatten().flatten().map(|entry| entry.path());
    own.into_iter().chain(shared).chain(installed).find(|folder| has_provider(folder))
}

/// Unpacked, the version is a folder; packed, it is in the name of an archive.
fn has_provider(folder: &Path) -> bool {
    let versions =
        std::fs::read_dir(folder.join("registry.terraform.io/hashicorp/aws")).into_iter().flatten().flatten();
    let is_it = |name: &str| name == pins::AWS_PROVIDER || name.contains(&format!("_{}_", pins::AWS_PROVIDER));
    versions.into_iter().any(|version| version.file_name().to_str().is_some_and(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_provider_is_found_packed_and_unpacked() {
        let folder = std::env::temp_dir().join(format!("rotunda-providers-{}", std::process::id()));
        let aws = folder.join("registry.terraform.io/hashicorp/aws");
        for (entry, expected) in [
            ("4.0.0", false),
            ("terraform-provider-aws_4.0.0_linux_amd64.zip", false),
            (&*format!("terraform-provider-aws_{}_linux_amd64.zip", pins::AWS_PROVIDER), true),
            (pins::AWS_PROVIDER, true),
        ] {
            std::fs::create_dir_all(aws.join(entry)).expect("a folder");
            assert_eq!(has_provider(&folder), expected, "{entry}");
            std::fs::remove_dir_all(&folder).expect("the folder");
        }
        assert!(!has_provider(&folder));
    }

    #[test]
    fn the_environments_name_the_provider_that_is_looked_for() {
        let root = include_str!("../terraform/environment.tf");
        assert!(root.contains(&format!("version = \"{}\"", pins::AWS_PROVIDER)), "{root}");
    }
}
