//! One unit of a generated program: what it defines of the shared types, its variables, its functions.

use std::fmt::Write as _;

use modgen::rng::Rng;

use super::build::Taste;
use super::types::{Class, Ty, Types, enumerators};

/// Functions that several units have under one name, each a `static` one of its own.
const HELPERS: usize = 6;

/// Flags of functions in `.BTF_ids`, as the kernel's `include/linux/btf.h` has them.
const FASTCALL: u32 = 1 << 12;
const ARENA_RESULT: u32 = 1 << 13;
const ARENA_FIRST: u32 = 1 << 14;
const ARENA_SECOND: u32 = 1 << 15;

/// What units agree upon.
#[derive(Debug)]
pub(super) struct Plan {
    /// Most units' prototypes of the shared names.
    helpers: Vec<Signature>,
    /// Functions that the header's inline ones are.
    inlines: Vec<Signature>,
    /// Bodies of the types that units define.
    forwards: Vec<String>,
    varying: Vec<Vec<String>>,
}

/// A function's type.
#[derive(Clone, Debug)]
struct Signature {
    result: Option<Ty>,
    params: Vec<Ty>,
    varargs: bool,
}

impl Signature {
    fn random(rng: &mut Rng, types: &Types) -> Signature {
        let count = rng.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10]);
        Signature {
            result: if rng.chance(2, 3) { Some(types.any(rng)) } else { None },
            params: (0..count).map(|_| types.any(rng)).collect(),
            varargs: count > 0 && rng.chance(1, 12),
        }
    }

    /// The same but for one parameter.
    fn changed(&self, rng: &mut Rng, types: &Types) -> Signature {
        let mut changed = self.clone();
        match self.params.len() {
            0 => changed.params.push(types.any(rng)),
            count => changed.params[rng.below(count)] = types.any(rng),
        }
        changed
    }

    /// `int f(int p0, char *p1)`, with other names for a declaration.
    fn declare(&self, name: &str, names: &str) -> String {
        let params = self.params.iter().enumerate();
        let mut params: Vec<String> =
            params.map(|(n, ty)| ty.declare(&format!("{names}{n}"))).collect();
        if params.is_empty() {
            params.push("void".to_owned());
        } else if self.varargs {
            params.push("...".to_owned());
        }
        let function = format!("{name}({})", params.join(", "));
        match &self.result {
            Some(result) => result.declare(&function),
            None => format!("void {function}"),
        }
    }

    /// A call with things that have no value yet.
    fn call(&self, name: &str) -> String {
        let mut text = "    { ".to_owned();
        for (n, ty) in self.params.iter().enumerate() {
            let _ = write!(text, "{}; ", ty.declare(&format!("arg{n}")));
        }
        let args: Vec<String> = (0..self.params.len()).map(|n| format!("arg{n}")).collect();
        let _ = writeln!(text, "{name}({}); }}", args.join(", "));
        text
    }

    /// The same, with constants where they fit: compilers make copies for them.
    fn call_with_constants(&self, name: &str) -> String {
        if self.params.iter().any(|ty| ty.class == Class::Memory) {
            return self.call(name);
        }
        let args: Vec<&str> = self
            .params
            .iter()
            .map(|ty| if ty.class == Class::Scalar { "0" } else { "1.5" })
            .collect();
        format!("    {name}({});\n", args.join(", "))
    }
}

impl Plan {
    pub(super) fn random(rng: &mut Rng, types: &Types) -> Plan {
        let none = Taste { wide: false, tags: false, odd: false, kfuncs: false };
        let mut body = |name: &str| types.body(rng, &none, "m", name);
        let forwards = (0..types.forwards).map(|_| body("")).collect();
        let varying = (0..types.varying).map(|n| {
            let name = format!("struct vary{n}");
            (0..3).map(|_| body(&name)).collect()
        });
        let varying = varying.collect();
        let mut some = |count| (0..count).map(|_| Signature::random(rng, types)).collect();
        Plan { helpers: some(HELPERS), inlines: some(3), forwards, varying }
    }
}

/// The unit's text.
pub(super) fn source(
    rng: &mut Rng,
    types: &Types,
    plan: &Plan,
    taste: &Taste,
    number: usize,
) -> String {
    let mut text = String::new();
    if rng.chance(1, 4) {
        // A unit that needs an index type before it has an `int`.
        text += "extern char before_any_int[5];\nchar before_any_int[5] __attribute__((weak));\n";
    }
    text += "#include \"shared.h\"\nextern volatile long sink;\n";
    for (n, body) in plan.forwards.iter().enumerate() {
        if rng.chance(1, 2) {
            // The header says whether it is a structure or a union; the other one does not compile.
            let tag =
                if types.header().contains(&format!("union fwd{n};")) { "union" } else { "struct" };
            let _ = writeln!(text, "{tag} fwd{n} {body};\n{tag} fwd{n} *use_fwd{n}_{number};");
        }
    }
    for (n, bodies) in plan.varying.iter().enumerate() {
        if rng.chance(2, 3) {
            let body = rng.pick_ref(bodies);
            let _ = writeln!(text, "struct vary{n} {body};\nstruct vary{n} *use_vary{n}_{number};");
        }
    }
    let mut calls = String::new();
    for (n, signature) in plan.inlines.iter().enumerate() {
        let name = format!("inline{n}");
        let head = format!("static inline {}", signature.declare(&name, "p"));
        function(rng, types, taste, &mut text, &head, signature);
        if rng.chance(2, 3) {
            calls += &signature.call(&name);
        }
    }
    variables(rng, types, taste, number, &mut text);
    for (n, signature) in plan.helpers.iter().enumerate() {
        if rng.chance(1, 3) {
            continue;
        }
        let signature = match rng.chance(1, 3) {
            true => signature.changed(rng, types),
            false => signature.clone(),
        };
        let attribute = rng.pick(&[
            "",
            "__attribute__((noinline)) ",
            "__attribute__((noinline)) ",
            "__attribute__((used)) ",
            "__attribute__((cold, noinline)) ",
            "inline ",
        ]);
        let name = format!("helper{n}");
        let head = format!("{attribute}static {}", signature.declare(&name, "p"));
        function(rng, types, taste, &mut text, &head, &signature);
        calls += &match rng.chance(1, 2) {
            true => signature.call_with_constants(&name),
            false => signature.call(&name),
        };
    }
    let mut own = Vec::new();
    for n in 0..rng.between(1, 6) {
        let signature = Signature::random(rng, types);
        let weak = rng.chance(1, 8);
        let name = if weak { format!("weak{n}") } else { format!("unit{number}_f{n}") };
        let linkage = if weak { "__attribute__((weak)) " } else { "" };
        if rng.chance(1, 3) {
            // Declared first, with other names or none.
            let names = rng.pick(&["d", "p"]);
            let _ = writeln!(text, "extern {};", signature.declare(&name, names));
        }
        let tag = match taste.tags && rng.chance(1, 4) {
            true => "__attribute__((btf_decl_tag(\"kfunc\"))) ",
            false => "",
        };
        let head = format!("{linkage}{tag}{}", signature.declare(&name, "p"));
        function(rng, types, taste, &mut text, &head, &signature);
        calls += &signature.call(&name);
        own.push((name, signature));
    }
    if taste.kfuncs {
        kfuncs(rng, number, &own, &mut text);
    }
    let _ = writeln!(text, "void unit{number}_main(void)\n{{\n{calls}}}");
    text
}

/// Variables of all sections, declared and defined, static and not.
fn variables(rng: &mut Rng, types: &Types, taste: &Taste, number: usize, text: &mut String) {
    for n in 0..rng.between(1, 8) {
        let ty = types.member(rng);
        let name = format!("v{number}_{n}");
        let section = rng.pick(&[
            "",
            "",
            " __attribute__((section(\".data..percpu\")))",
            " __attribute__((section(\".data..percpu\")))",
            " __attribute__((section(\".data.read_mostly\")))",
        ]);
        // What is constant may not share a section with what is not.
        let section = if ty.constant { "" } else { section };
        let tag = match taste.tags && rng.chance(1, 3) {
            true => " __attribute__((btf_decl_tag(\"variable\")))",
            false => "",
        };
        match rng.below(4) {
            0 => {
                let _ =
                    writeln!(text, "static {}{section} __attribute__((used));", ty.declare(&name));
            }
            1 => {
                // The definition refers to the declaration.
                let declared = ty.declare(&name);
                let _ = writeln!(text, "extern {declared};\n{declared}{section}{tag};");
            }
            2 => {
                // One name in several units.
                let shared = format!("shared_v{n}");
                let _ = writeln!(
                    text,
                    "static {}{section} __attribute__((used));",
                    ty.declare(&shared)
                );
            }
            _ => {
                let _ = writeln!(text, "{}{section}{tag};", ty.declare(&name));
            }
        }
    }
}

/// A function whose parameters are called p0, p1 and so on.
fn function(
    rng: &mut Rng,
    types: &Types,
    taste: &Taste,
    text: &mut String,
    head: &str,
    signature: &Signature,
) {
    let _ = writeln!(text, "{head}\n{{");
    if rng.chance(1, 5) {
        let inner = types.body(rng, taste, "m", "struct local");
        let _ = writeln!(text, "    struct local {inner} l; sink += (long)&l;");
    }
    if rng.chance(1, 8) {
        let inner = enumerators(rng, "LOCAL", taste);
        let _ = writeln!(text, "    enum local_e {inner} le = LOCAL_0; sink += le;");
    }
    if rng.chance(1, 8) {
        let ty = types.member(rng).declare("sv");
        let _ = writeln!(text, "    {{ static {ty}; sink += (long)&sv; }}");
    }
    if rng.chance(1, 8) {
        *text += "    { extern int declared_in_a_block(int, char *); typedef struct { int in; } td;\n\
                  \x20     static td v; sink += v.in; (void)sizeof(&declared_in_a_block); }\n";
    }
    if rng.chance(1, 6) {
        let ty = types.any(rng);
        let _ = writeln!(
            text,
            "    for (int i = 0; i < 3; i++) {{ {}; sink += (long)&q; }}",
            ty.declare("q")
        );
    }
    for (n, ty) in signature.params.iter().enumerate() {
        match (ty.class, rng.below(4)) {
            // Not used at all.
            (_, 0) => {}
            (Class::Scalar | Class::Float, 1..=2) => {
                let _ = writeln!(text, "    sink += (long)p{n};");
            }
            _ => {
                let _ = writeln!(text, "    sink += (long)&p{n};");
            }
        }
    }
    if let Some(result) = &signature.result {
        let _ = writeln!(text, "    static {};\n    return r;", result.declare("r"));
    }
    *text += "}\n";
}

/// `.BTF_ids` with a set of functions, as the kernel's macros lay it out.
fn kfuncs(rng: &mut Rng, number: usize, functions: &[(String, Signature)], text: &mut String) {
    let set = format!("__BTF_ID__set8__set{number}");
    // Now and then a set that is none of kfuncs.
    let kind = rng.pick(&[1, 1, 1, 0]);
    let mut lines = vec![
        ".pushsection .BTF_ids,\\\"a\\\"".to_owned(),
        format!(".local {set}"),
        format!(".type {set}, STT_OBJECT"),
        format!("{set}:"),
        ".zero 4".to_owned(),
        format!(".long {kind}"),
    ];
    for (n, (function, signature)) in functions.iter().enumerate() {
        let id = format!("__BTF_ID__func__{function}__{number}{n}");
        let mut flags = rng.pick(&[0_u32, 1, FASTCALL]);
        // Rarely on what is no pointer: then nothing can be encoded.
        let mut arena = |ty: Option<&Ty>, flag| {
            let may = ty.is_some_and(Ty::is_pointer);
            if rng.chance(if may { 30 } else { 1 }, 60) {
                flags |= flag;
            }
        };
        arena(signature.result.as_ref(), ARENA_RESULT);
        arena(signature.params.first(), ARENA_FIRST);
        arena(signature.params.get(1), ARENA_SECOND);
        lines.push(format!(".local {id}"));
        lines.push(format!(".type {id}, STT_OBJECT"));
        lines.push(format!(".size {id}, 4"));
        lines.push(format!("{id}:"));
        lines.push(".zero 4".to_owned());
        lines.push(format!(".long {flags}"));
    }
    lines.push(format!(".size {set}, .-{set}"));
    lines.push(".popsection".to_owned());
    let _ = writeln!(text, "asm(\"{}\");", lines.join("\\n"));
}
