//! libFuzzer's program for `fuzz::recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::recording::check(bytes));
