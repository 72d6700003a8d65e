//! The fuzz targets' properties over their stored inputs.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library's face there")]
mod properties;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn every_stored_input_of_every_target_has_its_properties() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, check) in properties::TARGETS {
        let inputs = fs::read_dir(corpus.join(target)).expect("the target has inputs");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a file").path();
            let bytes = fs::read(&path).expect("a readable file");
            let held = catch_unwind(|| check(&bytes));
            assert!(held.is_ok(), "{target} fails for {}", path.display());
            count += 1;
        }
        assert!(count >= 5, "{target} has {count} inputs");
    }
}
