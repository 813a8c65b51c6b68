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
    bindgen.generate(&folder).with_context(|| format!("generating the bindings of {}", module.display()))
}
