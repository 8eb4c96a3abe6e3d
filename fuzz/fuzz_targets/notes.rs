#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| totebox_fuzzing::notes::TARGET.check(input));
