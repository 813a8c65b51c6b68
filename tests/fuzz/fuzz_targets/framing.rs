//! libFuzzer's program for `fuzz::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::framing::check(bytes));
