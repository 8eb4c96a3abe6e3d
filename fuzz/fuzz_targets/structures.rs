#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| totebox_fuzzing::structures::TARGET.check(input));
