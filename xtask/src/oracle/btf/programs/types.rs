//! Types of a generated program: each is known by how a thing of it is declared, with `@` for the
//! thing's name.

use std::fmt::Write as _;

use modgen::rng::Rng;

use super::build::Taste;

/// A type that may be used.
#[derive(Clone, Debug)]
pub(super) struct Ty {
    /// `struct s3 *@`, `int (*@)(char)`.
    pattern: String,
    /// Things of it can be: it is neither `void` nor only declared.
    pub(super) complete: bool,
    /// Things of it may not change.
    pub(super) constant: bool,
    /// How it turns into a number.
    pub(super) class: Class,
}

/// What a function's body may do with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Convert it to `long`.
    Scalar,
    /// A `float` or `double`: also convert it.
    Float,
    /// Take its size and its address.
    Memory,
}

impl Ty {
    fn new(pattern: &str, class: Class) -> Ty {
        Ty { pattern: pattern.to_owned(), complete: true, constant: false, class }
    }

    /// A declaration of `name`, without the semicolon.
    pub(super) fn declare(&self, name: &str) -> String {
        self.pattern.replacen('@', name, 1)
    }

    /// The type alone, as in a prototype without names.
    pub(super) fn bare(&self) -> String {
        self.declare("")
    }

    fn is_compound(&self) -> bool {
        self.pattern.contains(['[', '('])
    }

    /// A qualifier in front of it is that of something else.
    fn is_indirect(&self) -> bool {
        self.pattern.contains('*')
    }

    /// It is a pointer, and no qualifier stands in between.
    pub(super) fn is_pointer(&self) -> bool {
        self.pattern.contains("*@")
    }

    /// A pointer to it, perhaps qualified.
    fn pointer(&self, rng: &mut Rng) -> Ty {
        let qualifier = rng.pick(&["", "", "", "const ", "volatile ", "const volatile "]);
        let inner = match self.is_compound() {
            true => format!("(*{qualifier}@)"),
            false => format!("*{qualifier}@"),
        };
        Ty {
            pattern: self.declare(&inner),
            complete: true,
            constant: qualifier.contains("const"),
            class: Class::Scalar,
        }
    }

    /// An array of it.
    fn array(&self, rng: &mut Rng) -> Ty {
        let mut inner = "@".to_owned();
        match rng.pick(&[1, 1, 1, 2, 3]) {
            1 => inner += rng.pick(&["[1]", "[2]", "[3]", "[7]", "[16]", "[64]"]),
            dimensions => (0..dimensions).for_each(|_| inner += rng.pick(&["[1]", "[2]", "[3]"])),
        }
        Ty { pattern: self.declare(&inner), class: Class::Memory, ..self.clone() }
    }

    fn qualified(&self, rng: &mut Rng) -> Ty {
        let qualifier = rng.pick(&["const", "volatile", "const volatile"]);
        let constant = self.constant || qualifier.contains("const") && !self.is_indirect();
        Ty { pattern: format!("{qualifier} {}", self.pattern), constant, ..self.clone() }
    }
}

/// All types of a program, and the header that says so.
#[derive(Debug)]
pub(super) struct Types {
    all: Vec<Ty>,
    header: String,
    /// `struct fwdN`: declared in the header, defined in some units.
    pub(super) forwards: usize,
    /// `struct varyN`: defined in units, not always alike.
    pub(super) varying: usize,
}

const PLAIN: [&str; 14] = [
    "_Bool @",
    "char @",
    "signed char @",
    "unsigned char @",
    "short @",
    "unsigned short @",
    "int @",
    "int @",
    "unsigned int @",
    "long @",
    "unsigned long @",
    "long long @",
    "unsigned long long @",
    "unsigned int @",
];

impl Types {
    pub(super) fn random(rng: &mut Rng, taste: &Taste) -> Types {
        let mut all: Vec<Ty> = PLAIN.iter().map(|name| Ty::new(name, Class::Scalar)).collect();
        all.extend(
            ["float @", "double @", "long double @"].map(|name| Ty::new(name, Class::Float)),
        );
        all.push(Ty { complete: false, ..Ty::new("void @", Class::Memory) });
        if taste.wide && rng.chance(1, 2) {
            all.extend(["__int128 @", "unsigned __int128 @"].map(|n| Ty::new(n, Class::Scalar)));
        }
        let mut header = "#ifndef SHARED_H\n#define SHARED_H\n".to_owned();
        if rng.chance(1, 3) {
            header += "typedef int vec4 __attribute__((vector_size(16)));\n";
            all.push(Ty::new("vec4 @", Class::Memory));
        }
        if taste.odd {
            header += rng.pick(&["typedef _Atomic int odd;\n", "typedef _Complex double odd;\n"]);
            header += "struct has_odd { odd o; };\n";
            all.push(Ty::new("struct has_odd @", Class::Memory));
        }
        let (forwards, varying) = (rng.between(1, 4), rng.between(1, 4));
        let mut types = Types { all, header, forwards, varying };
        for number in 0..forwards {
            let tag = rng.pick(&["struct", "struct", "union"]);
            types.forward(&format!("{tag} fwd{number}"));
        }
        for number in 0..varying {
            types.forward(&format!("struct vary{number}"));
        }
        for number in 0..rng.between(8, 30) {
            types.add(rng, taste, number);
        }
        types.header += "#endif\n";
        types
    }

    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Declares an aggregate that the header does not define.
    fn forward(&mut self, name: &str) {
        let _ = writeln!(self.header, "{name};");
        self.all.push(Ty { complete: false, ..Ty::new(&format!("{name} @"), Class::Memory) });
    }

    /// Adds one declaration to the header.
    fn add(&mut self, rng: &mut Rng, taste: &Taste, number: usize) {
        match rng.below(20) {
            0..=3 => {
                let ty = self.any(rng);
                let tag = if taste.tags && rng.chance(1, 4) {
                    format!(" __attribute__((btf_decl_tag(\"typedef{number}\")))")
                } else {
                    String::new()
                };
                let _ =
                    writeln!(self.header, "typedef {}{tag};", ty.declare(&format!("t{number}")));
                self.all.push(Ty { pattern: format!("t{number} @"), ..ty });
            }
            4..=6 => {
                let body = enumerators(rng, &format!("E{number}"), taste);
                let packed = rng.pick(&["", "", "", " __attribute__((packed))"]);
                let _ = match rng.below(4) {
                    0 => writeln!(self.header, "typedef enum {body}{packed} e{number};"),
                    _ => writeln!(
                        self.header,
                        "enum e{number} {body}{packed};\ntypedef enum e{number} e{number};"
                    ),
                };
                self.all.push(Ty::new(&format!("e{number} @"), Class::Scalar));
            }
            7 => {
                // Several anonymous ones of one shape.
                let body = self.body(rng, taste, "m", "");
                let _ = writeln!(self.header, "typedef struct {body} an{number}, *ptr{number};");
                self.all.push(Ty::new(&format!("an{number} @"), Class::Memory));
                self.all.push(Ty::new(&format!("ptr{number} @"), Class::Scalar));
            }
            8 => {
                // Two that refer to each other.
                let _ = writeln!(
                    self.header,
                    "struct x{number};\nstruct y{number} {{ struct x{number} *x; int n; }};\n\
                     struct x{number} {{ struct y{number} y, *more; struct x{number} *self; }};"
                );
                self.all.push(Ty::new(&format!("struct x{number} @"), Class::Memory));
            }
            9 => {
                let function = self.function_pattern(rng, "@");
                let _ = writeln!(
                    self.header,
                    "typedef {};",
                    function.replace('@', &format!("f{number}"))
                );
                self.all.push(Ty::new(&format!("f{number} *@"), Class::Scalar));
            }
            kind => {
                let tag = if kind < 17 { "struct" } else { "union" };
                let prefix = if rng.chance(1, 12) { "__kabi_" } else { "" };
                let name = format!("{tag} {prefix}s{number}");
                let body = self.body(rng, taste, "m", &name);
                let attribute = rng.pick(&[
                    "",
                    "",
                    "",
                    "",
                    " __attribute__((packed))",
                    " __attribute__((aligned(16)))",
                    " __attribute__((packed, aligned(2)))",
                ]);
                let _ = writeln!(self.header, "{name} {body}{attribute};");
                self.all.push(Ty::new(&format!("{name} @"), Class::Memory));
            }
        }
    }

    /// Any type, perhaps made anew of others.
    pub(super) fn any(&self, rng: &mut Rng) -> Ty {
        let mut ty = rng.pick_ref(&self.all).clone();
        if rng.chance(1, 5) {
            ty = ty.qualified(rng);
        }
        while !ty.complete || rng.chance(1, 3) {
            ty = ty.pointer(rng);
        }
        if rng.chance(1, 12) {
            let pattern = self.function_pattern(rng, "(*@)");
            ty = Ty::new(&pattern, Class::Scalar);
        }
        ty
    }

    /// A type for a member or a variable: also an array.
    pub(super) fn member(&self, rng: &mut Rng) -> Ty {
        let ty = self.any(rng);
        if rng.chance(1, 6) { ty.array(rng) } else { ty }
    }

    /// A function's declaration around `name`.
    fn function_pattern(&self, rng: &mut Rng, name: &str) -> String {
        let result = rng.pick_ref(&self.all).clone();
        let result = if result.complete || rng.chance(1, 2) { result } else { result.pointer(rng) };
        // `void` may be returned, what is only declared may not be called for; both may be named.
        let mut params: Vec<String> = (0..rng.below(5)).map(|_| self.any(rng).bare()).collect();
        if params.is_empty() {
            params.push("void".to_owned());
        } else if rng.chance(1, 6) {
            params.push("...".to_owned());
        }
        result.declare(&format!("{name}({})", params.join(", ")))
    }

    /// The braces of an aggregate, called `name` if it has a name. Members' names begin with `prefix`,
    /// which grows with the depth: those of anonymous members are their parent's too.
    pub(super) fn body(&self, rng: &mut Rng, taste: &Taste, prefix: &str, name: &str) -> String {
        let depth = prefix.matches('_').count();
        let mut text = "{ ".to_owned();
        let count = match rng.below(12) {
            0 if depth == 0 => 0,
            1 => rng.between(10, 40),
            _ => rng.between(1, 8),
        };
        for n in 0..count {
            let n = format!("{prefix}{n}");
            match rng.below(16) {
                0..=2 => {
                    let (ty, bits) = rng.pick(&[
                        ("int", 31),
                        ("unsigned int", 32),
                        ("unsigned char", 7),
                        ("unsigned long long", 50),
                        ("_Bool", 1),
                        ("short", 9),
                        ("const unsigned", 3),
                    ]);
                    let _ = write!(text, "{ty} {n}:{}; ", rng.between(1, bits));
                    if rng.chance(1, 6) {
                        text += rng.pick(&["int :0; ", "unsigned :3; ", "char :0; "]);
                    }
                }
                3 | 4 if depth < 3 => {
                    let tag = rng.pick(&["struct", "union"]);
                    let inner = self.body(rng, taste, &format!("{n}_"), tag);
                    let thing = match rng.chance(1, 2) {
                        true => String::new(),
                        false => format!(" {n}{}", rng.pick(&["", "", "[3]"])),
                    };
                    let _ = write!(text, "{tag} {inner}{thing}; ");
                }
                5 if name.contains(' ') => {
                    let _ = write!(text, "{name} *{n}, *const {n}c; ");
                }
                6 => {
                    let function = self.function_pattern(rng, &format!("(*{n})"));
                    let _ = write!(text, "{function}; ");
                }
                7 if taste.tags => {
                    let ty = rng.pick_ref(&self.all).bare();
                    let _ = write!(text, "{ty} __attribute__((btf_type_tag(\"user\"))) *{n} ");
                    if rng.chance(1, 2) {
                        text += "__attribute__((btf_decl_tag(\"member\"))) ";
                    }
                    text += "; ";
                }
                8 => {
                    let _ = write!(text, "int {n}[0]; ");
                }
                _ => {
                    let _ = write!(text, "{}; ", self.member(rng).declare(&n));
                }
            }
        }
        if name.starts_with("struct ") && depth == 0 && count > 0 && rng.chance(1, 10) {
            text += "struct vary0 *last[]; ";
        }
        text + "}"
    }
}

/// The braces of an enumeration.
pub(super) fn enumerators(rng: &mut Rng, prefix: &str, taste: &Taste) -> String {
    let mut values: Vec<String> = Vec::new();
    let kind = rng.below(8);
    for n in 0..rng.between(1, 6) {
        let value = match kind {
            0 | 1 => String::new(),
            2 => format!(" = -{}", rng.below(200)),
            3 if taste.wide => format!(" = 0x{:x}ULL", rng.next_u64()),
            4 if taste.wide => format!(" = -0x{:x}LL", rng.next_u64() >> 8),
            5 => format!(" = 0x{:x}U", rng.next_u32()),
            _ => format!(" = {}", rng.below(1 << 20)),
        };
        values.push(format!("{prefix}_{n}{value}"));
    }
    format!("{{ {} }}", values.join(", "))
}
