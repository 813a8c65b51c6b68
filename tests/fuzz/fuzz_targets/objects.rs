//! libFuzzer's program for `fuzz::objects`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::objects::check(bytes));
