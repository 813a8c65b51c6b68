//! libFuzzer's program for `fuzz::rtcp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::rtcp::check(bytes));
