//! libFuzzer's program for `fuzz::red`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::red::check(bytes));
