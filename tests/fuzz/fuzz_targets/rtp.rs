//! libFuzzer's program for `fuzz::rtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::rtp::check(bytes));
