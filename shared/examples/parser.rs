//! Prints the client's parser; `cargo xtask codegen` runs it.

fn main() -> Result<(), shared::parser::ParserError> {
    print!("{}", shared::parser::checks()?);
    Ok(())
}
