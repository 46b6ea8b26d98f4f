//! How a program is compiled: which compiler, which options, and the executable that comes of it. An
//! executable, since only that keeps the symbol table and has its debug info relocated.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use modgen::rng::Rng;

use crate::Result;
use crate::command;
use crate::oracle::btf::features;

/// The executable's name.
pub(super) const PROGRAM: &str = "program";

/// A compiler that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compiler {
    Gcc,
    Clang,
}

impl Compiler {
    pub(super) fn name(self) -> &'static str {
        match self {
            Compiler::Gcc => "gcc",
            Compiler::Clang => "clang",
        }
    }
}

/// The compilers in PATH: gcc at least.
pub(super) fn compilers() -> Result<Vec<Compiler>> {
    if !command::exists("gcc") {
        return Err("gcc is not here, and the programs are to be compiled".into());
    }
    let all = [Compiler::Gcc, Compiler::Clang];
    Ok(all.into_iter().filter(|compiler| command::exists(compiler.name())).collect())
}

/// What a program has or has not, by what its compiler takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taste {
    /// 64-bit: `__int128`.
    pub(super) wide: bool,
    /// clang's `btf_decl_tag` and `btf_type_tag`.
    pub(super) tags: bool,
    /// Something that no encoder takes: `_Atomic`, `_Complex`.
    pub(super) odd: bool,
    /// Kernel functions for BPF, in `.BTF_ids`.
    pub(super) kfuncs: bool,
}

/// How to compile, and how to encode.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    compiler: Compiler,
    options: Vec<&'static str>,
    pub(super) taste: Taste,
    pub(super) encoder: Vec<OsString>,
}

impl Recipe {
    pub(super) fn random(rng: &mut Rng, compilers: &[Compiler]) -> Recipe {
        let compiler = rng.pick(compilers);
        let gcc = compiler == Compiler::Gcc;
        let mut options = vec![rng.pick(&["-O0", "-O1", "-O2", "-O2", "-O2", "-Os"])];
        options.push(match rng.below(12) {
            0 => "-gdwarf-2",
            1 => "-gdwarf-3",
            2..=5 => "-gdwarf-4",
            _ => "-gdwarf-5",
        });
        let narrow = rng.chance(1, 10);
        if narrow {
            options.push("-m32");
        }
        if rng.chance(1, 8) {
            options.push("-gz=zlib");
        }
        if gcc {
            if rng.chance(1, 12) {
                options.push("-flto");
            }
            if rng.chance(1, 8) {
                options.push("-fshort-enums");
            }
            if rng.chance(1, 8) {
                options.push("-fno-ipa-sra");
            }
            if rng.chance(1, 10) {
                options.push("-gno-variable-location-views");
            }
        }
        if rng.chance(1, 8) {
            options.push("-ffunction-sections");
        }
        if rng.chance(1, 10) {
            options.push("-funsigned-char");
        }
        let taste = Taste {
            wide: !narrow,
            tags: compiler == Compiler::Clang,
            odd: rng.chance(1, 40),
            kfuncs: rng.chance(1, 3),
        };
        Recipe { compiler, options, taste, encoder: encoder_options(rng) }
    }

    /// The command lines in short.
    pub(super) fn shown(&self) -> String {
        let encoder: Vec<_> = self.encoder.iter().map(|option| option.to_string_lossy()).collect();
        format!("{} {} | {}", self.compiler.name(), self.options.join(" "), encoder.join(" "))
    }

    /// Compiles `unit0.c`, `unit1.c` and so on, and links them.
    pub(super) fn build(&self, dir: &Path, units: usize) -> Result<()> {
        let common = ["-w", "-std=gnu11", "-ffreestanding", "-fno-stack-protector", "-fno-pic"];
        let mut objects = Vec::new();
        for unit in 0..units {
            let object = format!("unit{unit}.o");
            let mut compile = Command::new(self.compiler.name());
            compile.current_dir(dir).args(common).args(&self.options);
            compile.args(["-c", &format!("unit{unit}.c"), "-o", &object]);
            command::output(&mut compile)?;
            objects.push(object);
        }
        let mut link = Command::new(self.compiler.name());
        link.current_dir(dir).args(common).args(&self.options);
        link.args(["-nostdlib", "-static", "-no-pie", "-Wl,-e,entry", "-Wl,-z,muldefs"]);
        link.args(&objects).args(["-o", PROGRAM]);
        command::output(&mut link).map(drop)
    }
}

/// What the encoders are asked for: a kernel's features most of the time.
fn encoder_options(rng: &mut Rng) -> Vec<OsString> {
    let single = |list: &[&str]| list.iter().map(OsString::from).collect();
    match rng.below(10) {
        0 => features::options(""),
        1 => features::options("default,global_var"),
        2 => features::options("+attributes,global_var"),
        3 => Vec::new(),
        4 => single(&["--skip_encoding_btf_enum64", "--btf_gen_floats"]),
        5 => {
            let all = features::leave_out_each(features::KERNEL);
            features::options(rng.pick_ref::<String>(&all))
        }
        6 => single(&["--btf_features=default", "--kabi_prefix=__kabi_"]),
        _ => features::options(features::KERNEL),
    }
}
