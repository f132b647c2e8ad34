//! The modules of the dashboard form a line.

use std::path::Path;

use signet_tests::import_cycles;

#[test]
fn modules_import_each_other_in_one_direction() {
    let cycles = import_cycles(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(cycles.is_empty(), "import cycles: {cycles:#?}");
}
