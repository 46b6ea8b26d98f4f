//! `kmill demo`: indexes a kernel and shows what came out of it; beside kmod, if
//! that is installed.

mod find;
mod kmod;
mod run;
mod subject;
mod table;

use std::ffi::OsString;
use std::io::Write;

use self::kmod::Kmod;

const USAGE: &str = "\
usage: kmill demo [--fetch]

Indexes the newest kernel below /lib/modules, into a temporary directory, or a
built-in sample tree where there is none.

  --fetch   fetch a Debian kernel package with apt, into a cache directory, and
            index that
";

/// Runs the demo; returns the exit status.
pub(crate) fn main(args: &[OsString]) -> u8 {
    let mut err = std::io::stderr();
    let fetch = match args {
        [] => false,
        [flag] if flag == "--fetch" => true,
        [flag] if flag == "--help" || flag == "-h" => {
            return u8::from(std::io::stdout().write_all(USAGE.as_bytes()).is_err());
        }
        _ => {
            let _ = err.write_all(USAGE.as_bytes());
            return 1;
        }
    };
    match demo(fetch) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(err, "kmill demo: {error}");
            1
        }
    }
}

fn demo(fetch: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let kmod = Kmod::find();
    let subject = if fetch { find::fetch(&mut out)? } else { find::find(kmod.as_ref())? };
    writeln!(out, "{}", subject.what)?;
    let temp = tempfile::tempdir()?;

    // Once to bring the modules into memory, for both tools alike; then for the clock.
    run::index(&subject, &temp.path().join("warm"))?;
    let run = run::index(&subject, &temp.path().join("kmill"))?;
    let reference = match &kmod {
        Some(kmod) => Some(kmod.run(&subject, &temp.path().join("kmod"))?),
        None => None,
    };
    table::print(&mut out, &run, kmod.as_ref().zip(reference.as_ref()))?;
    Ok(())
}
