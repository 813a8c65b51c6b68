//! Prints the OpenAPI document; `cargo xtask codegen` runs it.

fn main() {
    println!("{}", shared::api::openapi::document());
}
