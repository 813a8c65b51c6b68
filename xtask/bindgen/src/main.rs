//! `worker-bindgen MODULE FOLDER`: writes `index.js` and `index_bg.wasm`, the Worker's module with its JavaScript bindings.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: worker-bindgen MODULE FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&module)
        .out_name("index")
        // `import source module from "./index_bg.wasm"`: workerd provides the module, and the glue code instantiates
        // it.
        .module(true)?
        .typescript(false)
        .omit_default_module_path(false)
        // `edge/entry.mjs` creates a fresh instance after a panic, which this handler reports.
        .reset_state_function(true)
        .force_enable_abort_handler(true);
    let generating = || format!("generating the bindings of {}", module.display());
    let mut output = bindgen.generate_output().with_context(generating)?;
    for function in output.wasm_mut().funcs.iter_mut() {
        function.name = function.name.take().and_then(|name| name_in_traces(&name).map(Into::into));
    }
    output.emit(&folder).with_context(generating)
}

/// The crates whose functions have names in the stack traces in the logs.
const OURS: &[&str] = &["edge", "edge_core", "shared"];

/// Parts of the names of functions that the compiler makes for each type; a trace has the caller's name beside theirs.
const MADE: &[&str] = &["serde_core::", "shared::json::", "shared::sorted::"];

/// A function's name without its hash; `None` if it is not ours. The names of all would be a tenth of the compressed
/// Worker.
fn name_in_traces(name: &str) -> Option<&str> {
    // The receiver of a trait's method may be a reference.
    let path = name.trim_start_matches('<').trim_start_matches(['&', '*']);
    let path = ["mut ", "const ", "dyn "].iter().fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
    let (of, _) = path.split_once("::")?;
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|letter| letter.is_ascii_hexdigit());
    let without_hash = name.rsplit_once("::h").filter(|(_, hash)| is_hash(hash)).map_or(name, |(name, _)| name);
    let is_made = MADE.iter().any(|part| name.contains(part));
    (OURS.contains(&of) && !is_made).then_some(without_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_functions_have_names() {
        let check = |name, expected| assert_eq!(name_in_traces(name), expected, "{name}");
        check("edge::routes::handle::{{closure}}::h269307e8ea69d503", Some("edge::routes::handle::{{closure}}"));
        check("edge_core::room::Room::new", Some("edge_core::room::Room::new"));
        check(
            "<&mut shared::token::Key as core::fmt::Debug>::fmt::h1b25a67463a8feb0",
            Some("<&mut shared::token::Key as core::fmt::Debug>::fmt"),
        );
        check(
            "<edge::store::Store as core::ops::drop::Drop>::drop",
            Some("<edge::store::Store as core::ops::drop::Drop>::drop"),
        );
        check("edge::log::horn", Some("edge::log::horn"));
        check("<shared::json::reader::Reader as serde_core::de::Deserializer>::deserialize_seq", None);
        check("edgeworth::handle", None);
        check("core::ptr::drop_in_place<edge_core::room::Room>::h01d8350f621c08a8", None);
        check("__rdl_realloc", None);
    }
}
