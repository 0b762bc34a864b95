//! Any target of the crate `fuzz`, by the name in `FUZZ_TARGET`, for libFuzzer.

#![no_main]

use std::sync::OnceLock;

use fuzz::{Target, Trail};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        *fuzz::target(&name).expect("FUZZ_TARGET names a target of crates/fuzz")
    });
    if data.len() <= target.longest {
        (target.run)(data, &mut Trail::new());
    }
});
