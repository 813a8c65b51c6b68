//! Remembers the inputs of a step's last success, so that it runs again only after a change.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::progress::file_name;
use crate::workspace::Workspace;

/// Folders without inputs.
const SKIPPED: &[&str] = &["node_modules", "target", "build", "dist", ".git", ".rotunda"];

/// A digest of everything that a step reads. Not cryptographic: it guards against forgetting, not against attack.
#[derive(Clone, Default)]
pub(crate) struct Fingerprint {
    hasher: DefaultHasher,
}

impl Fingerprint {
    /// Adds a fact such as a version or a flag.
    pub(crate) fn fact(mut self, fact: &str) -> Self {
        fact.hash(&mut self.hasher);
        self
    }

    /// Adds a file, or every file below a folder; a missing one is a fact too.
    pub(crate) fn path(mut self, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect_files(path, &mut files)?;
        files.sort();
        for file in files {
            file.strip_prefix(path).unwrap_or(&file).hash(&mut self.hasher);
            fs::read(&file).with_context(|| format!("reading {}", file.display()))?.hash(&mut self.hasher);
        }
        Ok(self)
    }

    pub(crate) fn digest(&self) -> String {
        format!("{:016x}", self.hasher.finish())
    }
}

/// One step's memory: a small file under `.rotunda/stamps`.
pub(crate) struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// The stamp called `name`, to be compared with `fingerprint`.
    pub(crate) fn new(workspace: &Workspace, name: &str, fingerprint: &Fingerprint) -> Self {
        Self { file: workspace.state().join("stamps").join(file_name(name)), digest: fingerprint.digest() }
    }

    /// True if the step last succeeded with the same inputs.
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|stored| stored == self.digest)
    }

    /// Called before a step starts, so that an interrupted step runs again.
    pub(crate) fn clear(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.file.display()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn write(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        fs::write(&self.file, &self.digest).with_context(|| format!("writing {}", self.file.display()))
    }
}

/// Every file below `path` that a step may read.
pub(crate) fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", path.display()))?;
        let name = entry.file_name();
        let kind = entry.file_type().with_context(|| format!("reading the metadata of {}", entry.path().display()))?;
        if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
            collect_files(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_changes_the_digest_and_a_skipped_folder_does_not() {
        let folder = std::env::temp_dir().join(format!("rotunda-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("build")).expect("a temporary folder");
        fs::write(folder.join("a.rs"), "one").expect("a file in it");
        let digest = || Fingerprint::default().path(&folder).expect("a readable folder").digest();
        let first = digest();
        fs::write(folder.join("build/out.js"), "output").expect("a file that is skipped");
        assert_eq!(digest(), first);
        fs::write(folder.join("a.rs"), "two").expect("another content");
        assert_ne!(digest(), first);
        fs::remove_dir_all(&folder).expect("the folder to go");
    }

    #[test]
    fn a_stamp_is_current_for_the_inputs_it_was_written_for() {
        let folder = std::env::temp_dir().join(format!("rotunda-stamps-{}", std::process::id()));
        let stamp =
            |fact: &str| Stamp { file: folder.join("step"), digest: Fingerprint::default().fact(fact).digest() };
        assert!(!stamp("one").is_current());
        stamp("one").write().expect("a stamp");
        assert!(stamp("one").is_current() && !stamp("two").is_current());
        stamp("one").clear().expect("no stamp");
        assert!(!stamp("one").is_current());
        fs::remove_dir_all(&folder).expect("the folder to go");
    }

    #[test]
    fn facts_do_not_run_into_each_other() {
        let left = Fingerprint::default().fact("ab").fact("c").digest();
        let right = Fingerprint::default().fact("a").fact("bc").digest();
        assert_ne!(left, right);
    }
}
