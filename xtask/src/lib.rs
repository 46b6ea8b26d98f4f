//! Developer tasks, run as `cargo xtask TASK`.
//!
//! ```text
//! kernels   fetch real kernels into a cache directory          (kernels/)
//! oracle    run the reference tool and ours, compare           (oracle/)
//! kbuild    the kernel build's own scripts call both           (kbuild/)
//! modprobe  ask modprobe, with our index and the reference's   (modprobe)
//! bench     time both                                          (bench)
//! goldens   what the reference said once, checked without it   (goldens)
//! mutants   break the code on purpose, see a test fail         (mutants/)
//! stress    random streams and schedules, for as long as asked (stress)
//! ci        the steps of CI, in order, with their times        (ci)
//! ```
//!
//! A task that needs something it cannot find (a reference tool, a cached kernel, apt) fails and
//! says so. None passes by leaving work out.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod cache;
mod ci;
mod files;
pub mod goldens;
mod jobs;
mod kbuild;
mod kernels;
mod modprobe;
mod mutants;
mod oracle;
mod program;
mod report;
mod stress;

use std::ffi::OsString;
use std::process::ExitCode;

pub use debkernel::error::Error;
pub(crate) use debkernel::{command, error};

use args::{Opt, Task};

/// What every task returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

const REFERENCE: Opt = Opt::value("--reference", "PATH", "the reference tool (default: in PATH)");
const CACHE: Opt = Opt::value("--cache", "DIR", "the cache directory (default: see above)");

/// Every task: the help and the parser come from here.
const TASKS: &[Task] = &[
    Task {
        name: "kernels",
        summary: "fetch Debian kernels with apt and make none, gz, xz and zst trees of them",
        details: "The cache is $KMILL_CACHE, or kmill below $XDG_CACHE_HOME or ~/.cache.",
        operands: "",
        options: &[
            Opt::flag("--small", "the cloud flavour, where there is one"),
            Opt::value("--version", "V", "a release or the beginning of one (default: 6.12)"),
            Opt::value("--arch", "A", "amd64, arm64, s390x or i386; repeatable (default: amd64)"),
            Opt::value("--codecs", "LIST", "some of none,gz,xz,zst (default: all)"),
            Opt::flag("--debug", "also the -dbg package: 1 GB, 6.7 GB unpacked"),
            CACHE,
        ],
        run: kernels::run,
    },
    Task {
        name: "oracle",
        summary: "compare with the reference tool: files, stdout, stderr, exit status",
        details: "The operand says which tool.\n\
                  depmod: needs `cargo xtask kernels` first, and a reference: kmod 34 (commit\n\
                  84fa569, built with zstd, xz, zlib and openssl), or an older one, with which\n\
                  less can be compared; it says what is not.\n\
                  btf: needs `cargo xtask kernels --debug` first, or with --programs gcc and,\n\
                  where there is one, clang; and pahole 1.31 with the libbpf it bundles (374f7807),\n\
                  and for --distilled objcopy, which that runs.",
        operands: "depmod|btf",
        options: &[
            REFERENCE,
            Opt::value("--trees", "GLOB", "only kernels whose RELEASE-ARCH/CODEC matches"),
            Opt::value("--threads", "LIST", "our thread counts (default: 1,2,7; btf: 1,2,3,8)"),
            Opt::value("--features", "LIST", "btf: features; repeatable (default: a kernel's)"),
            Opt::flag("--leave-out-each", "btf: also with each of the features left out"),
            Opt::flag(
                "--in-place",
                "btf: write into copies of the kernels; nothing else may differ",
            ),
            Opt::value(
                "--distilled",
                "N",
                "btf: N modules of each kernel, written into copies with a distilled base",
            ),
            Opt::value(
                "--modules",
                "N",
                "btf: N modules of each kernel, or all, in one run of ours",
            ),
            Opt::value("--programs", "N", "btf: so many generated C programs, and no kernel"),
            Opt::value("--random", "N", "how many random trees (default: 500)"),
            Opt::value("--seed", "S", "the seed of the first random tree, or program (default: 0)"),
            Opt::value("--case", "GLOB", "only behaviour cases whose name matches"),
            Opt::value("--only", "LIST", "some of trees,cases,random (default: all)"),
            Opt::flag("--small", "only cloud kernels"),
            Opt::value("--keep", "DIR", "keep inputs and outputs of what differs here"),
            CACHE,
        ],
        run: oracle::run,
    },
    Task {
        name: "bench",
        summary: "time ours beside the reference, interleaved: wall, CPU, peak memory",
        details: "The operand says which tool: depmod. Needs `cargo xtask kernels` first.",
        operands: "depmod",
        options: &[
            REFERENCE,
            Opt::value("--kernel", "V", "the beginning of a cached release (default: 6.12)"),
            Opt::value("--threads", "N", "our threads (default: 2)"),
            Opt::value("--runs", "N", "how many runs of each (default: 11)"),
            Opt::flag("--cold", "one run of each, after dropping the page cache; only root can"),
            CACHE,
        ],
        run: bench::run,
    },
    Task {
        name: "measure",
        summary: "run one program, and say milliseconds, CPU milliseconds and peak kilobytes",
        details: "What `bench` runs for each sample.",
        operands: "PROGRAM ARGS...",
        options: &[],
        run: bench::probe,
    },
    Task {
        name: "kbuild",
        summary: "the kernel build's own scripts call our pahole and depmod, and the references",
        details: "Needs `cargo xtask kernels --debug` first, pahole 1.31 and kmod's depmod; fetches\n\
                  Debian's linux-kbuild and linux-headers.",
        operands: "",
        options: &[
            REFERENCE,
            Opt::value("--depmod", "PATH", "the reference depmod (default: in PATH)"),
            Opt::value("--kernel", "V", "the beginning of a cached release (default: 6.12)"),
            Opt::flag("--small", "its cloud flavour"),
            Opt::value("--modules", "LIST", "modules (default: seven)"),
            Opt::flag(
                "--external",
                "also as if they were built outside of the tree (distilled base)",
            ),
            CACHE,
        ],
        run: kbuild::run,
    },
    Task {
        name: "modprobe",
        summary: "the installed modprobe answers from our index as from the reference's",
        details: "200 modules and 200 aliases of a cached kernel.",
        operands: "",
        options: &[
            REFERENCE,
            Opt::value("--kernel", "V", "the beginning of a cached release (default: 6.12)"),
            Opt::flag("--small", "its cloud flavour"),
            CACHE,
        ],
        run: modprobe::run,
    },
    Task {
        name: "goldens",
        summary: "check ours against what the reference once wrote, or record that anew",
        details: "",
        operands: "",
        options: &[Opt::flag("--record", "run the reference and write tests/goldens"), REFERENCE],
        run: goldens::run,
    },
    Task {
        name: "mutants",
        summary: "break one line at a time in a copy of the tree; a test must fail each time",
        details: "",
        operands: "[NAME...]",
        options: &[Opt::flag("--list", "only show the list")],
        run: mutants::run,
    },
    Task {
        name: "stress",
        summary: "the engine under random delays and schedules, for longer than CI has time",
        details: "",
        operands: "",
        options: &[
            Opt::value("--seconds", "N", "how long random streams run (default: 300)"),
            Opt::value("--seed", "S", "only the stream of this seed"),
            Opt::value("--schedules", "N", "schedules per test and scheduler (default: 100000)"),
        ],
        run: stress::run,
    },
    Task {
        name: "ci",
        summary: "every step of CI, in order; stops at the first failure",
        details: "",
        operands: "",
        options: &[
            Opt::value("--only", "STEP", "only this step; repeatable"),
            Opt::flag("--list", "only show the steps"),
            REFERENCE,
        ],
        run: ci::run,
    },
];

/// Runs the task that the arguments name.
#[must_use]
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let result = args::parse(TASKS, args).and_then(|parsed| match parsed {
        args::Parsed::Help(text) => {
            report::say(&text);
            Ok(())
        }
        args::Parsed::Run(task, matches) => (task.run)(&matches),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}
