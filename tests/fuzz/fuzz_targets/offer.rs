//! libFuzzer's program for `fuzz::offer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::offer::check(bytes));
