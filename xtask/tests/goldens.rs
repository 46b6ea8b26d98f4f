//! Our output is what the reference's was when the goldens were recorded.

#[test]
fn the_program_writes_what_the_reference_wrote() {
    if let Err(error) = xtask::goldens::check() {
        panic!("{error}");
    }
}
