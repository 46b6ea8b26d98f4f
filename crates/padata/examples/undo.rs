//! A job that fails halfway and leaves nothing behind: it creates files, until one of the names
//! cannot be had; then the files that it created are removed.
//!
//! `cargo run -p padata --release --example undo`
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::fs::{self, File};

use padata::{Job, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("padata-undo-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let path = |number: u32| directory.join(format!("{number}.txt"));
    // In the way of file 700.
    fs::create_dir(path(700))?;

    let outcome = Job::over(0_u32, 1000)
        .min_chunk(50)
        .undo(|created| {
            for number in created {
                // The undo must not fail: what cannot be removed stays.
                let _ = fs::remove_file(path(number));
            }
        })
        .run(&Pool::auto(), |chunk| {
            for number in chunk.range() {
                // Said before the step that may fail: what is done until here is to be undone.
                chunk.done_to(number);
                File::create(path(number))?;
            }
            Ok::<_, std::io::Error>(())
        });

    let error = outcome.expect_err("a directory is in the way");
    println!("{error}\nundone: {:?}\nnever begun: {:?}", error.undone, error.not_started);
    fs::remove_dir(path(700))?;
    fs::remove_dir(&directory)?; // only works when it is empty
    Ok(())
}
