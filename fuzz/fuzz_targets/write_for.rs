#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::write_for(data));
