//! Prints the TypeScript declarations; `cargo xtask codegen` runs it.

fn main() {
    print!("{}", shared::typescript::declarations());
}
