//! libFuzzer's program for `fuzz::turn_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::turn_message::check(bytes));
