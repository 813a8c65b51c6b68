//! libFuzzer's program for `fuzz::signal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::signal::check(bytes));
