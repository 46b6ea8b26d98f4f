//! Files from a seed, made to be hard on deduplication: few names, many units, and units that
//! disagree. One declares what another defines, or defines it otherwise; one has two copies of a
//! type where another has one; names are a structure here and a union or a typedef there.

use std::collections::HashMap;

use modgen::Arch;
use modgen::rng::Rng;

use crate::constants::{at, ate, op, tag};
use crate::die::{Die, Value};
use crate::file::File;
use crate::unit::{NumberForm, RefForm, StringForm, Unit};

/// How units of a file differ. Each chance is in 64.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Units.
    pub units: usize,
    /// Names of structures and unions.
    pub names: usize,
    /// Different definitions of a name, at most.
    pub variants: usize,
    /// A unit takes another definition than the first.
    pub other: usize,
    /// A unit only declares a name.
    pub declared: usize,
    /// A unit has a name twice: declared and defined, or defined by two entries.
    pub twice: usize,
    /// A type is written again that the unit already has.
    pub copy: usize,
    /// A unit's entries are in another order.
    pub shuffle: usize,
    /// Functions and variables are there.
    pub functions: usize,
    /// What the encoder has to walk slowly for: members of type `void`, nested unspecified types.
    pub odd: usize,
    /// Forms other than a compiler's usual ones.
    pub forms: usize,
    /// Names have more than a few letters: who looks for a base's names tells the two apart.
    pub long: bool,
}

impl Shape {
    /// A shape from a seed's first numbers.
    pub fn random(rng: &mut Rng) -> Shape {
        let chance = |rng: &mut Rng| rng.pick(&[0, 0, 4, 16, 32, 56]);
        Shape {
            units: if rng.chance(1, 8) { rng.between(8, 24) } else { rng.between(1, 7) },
            names: rng.between(1, 5),
            variants: rng.between(1, 3),
            other: chance(rng),
            declared: chance(rng),
            twice: rng.pick(&[0, 0, 0, 4, 16]),
            copy: chance(rng),
            shuffle: rng.pick(&[0, 0, 16, 64]),
            functions: rng.pick(&[0, 16, 48]),
            odd: rng.pick(&[0, 0, 0, 0, 0, 0, 1]),
            forms: rng.pick(&[0, 32]),
            long: false,
        }
    }
}

/// A file from a seed.
pub fn random_file(seed: u64) -> File {
    let mut rng = Rng::new(seed);
    let shape = Shape::random(&mut rng);
    file_of(&shape, rng)
}

/// A file of a shape.
pub fn file_of(shape: &Shape, mut rng: Rng) -> File {
    let world = World::random(shape, &mut rng);
    let arch = match rng.chance(shape.forms, 256) {
        true => rng.pick(&[Arch::S390x, Arch::Aarch64, Arch::I386, Arch::Mips, Arch::Ppc64]),
        false => Arch::X86_64,
    };
    let mut file = File::new(arch);
    let mut symbols: Vec<(String, u64)> = Vec::new();
    for number in 0..5 {
        if rng.chance(5, 6) {
            let suffix = rng.pick(&["", "", "", ".isra.0", ".cold"]);
            symbols.push((format!("f{number}{suffix}"), 0x2000 + 16 * number));
        }
        if rng.chance(1, 8) {
            symbols.push((format!("f{number}"), 0x3000));
        }
    }
    symbols.push(("zzz".to_owned(), 0x4000));
    for (name, value) in symbols {
        file = file.function(&name, value);
    }
    file = file.percpu(0x10_0000, 0x100);
    for number in 0..shape.units {
        file.units.push(Writer::unit(shape, &world, &mut rng, number));
    }
    if file.units.iter().any(|unit| unit.strings != StringForm::Inline) && rng.chance(1, 8) {
        file.merge_strings = false;
    }
    file
}

/// A type as C has it.
#[derive(Clone, Debug)]
enum Type {
    Void,
    Base(usize),
    /// A name of [`World::names`].
    Named(usize),
    Enum(usize),
    Typedef(usize),
    Pointer(Box<Type>),
    Tagged(Box<Type>),
    Const(Box<Type>),
    Volatile(Box<Type>),
    Array(Box<Type>, u64),
    Anonymous(Body),
    AnonymousEnum(usize),
    Prototype(Box<Type>, Vec<(Option<usize>, Type)>, bool),
}

/// A structure's or a union's contents.
#[derive(Clone, Debug)]
struct Body {
    union: bool,
    size: u64,
    members: Vec<(usize, Type, u64)>,
    /// Index of the member that is a bit field.
    bits: Option<usize>,
    tag: bool,
}

/// What all units share, as headers are shared.
struct World {
    names: Vec<Vec<Body>>,
    enums: Vec<Vec<(u64, Vec<i64>)>>,
    typedefs: Vec<Vec<Type>>,
    functions: Vec<Vec<Type>>,
    variables: Vec<Type>,
}

const BASES: [(&str, u64, u64); 6] = [
    ("int", 4, ate::SIGNED),
    ("char", 1, ate::SIGNED_CHAR),
    ("long", 8, ate::SIGNED),
    ("unsigned", 4, ate::UNSIGNED),
    ("_Bool", 1, ate::BOOLEAN),
    ("double", 8, ate::FLOAT),
];
const MEMBERS: [&str; 4] = ["", "a", "b", "c"];

impl World {
    fn random(shape: &Shape, rng: &mut Rng) -> World {
        let count = shape.names;
        let several = |rng: &mut Rng| rng.between(1, shape.variants);
        let names: Vec<Vec<Body>> = (0..count)
            .map(|_| {
                let mut bodies = vec![body(rng, count, 3)];
                for _ in 1..several(rng) {
                    let next = match rng.below(4) {
                        // One that looks the same from outside.
                        0..=2 => {
                            let mut next = bodies[0].clone();
                            if let Some(at) = next.members.len().checked_sub(1) {
                                let at = rng.between(0, at);
                                next.members[at].1 = ty(rng, count, 2);
                            }
                            next
                        }
                        _ => body(rng, count, 3),
                    };
                    bodies.push(next);
                }
                bodies
            })
            .collect();
        let enums = (0..2)
            .map(|_| {
                (0..several(rng))
                    .map(|_| {
                        let size = rng.pick(&[4, 4, 4, 1, 8]);
                        let values = 0..rng.between(1, 3);
                        (size, values.map(|_| rng.pick(&[0, 1, 2, -1, 100])).collect())
                    })
                    .collect()
            })
            .collect();
        let typedefs =
            (0..3).map(|_| (0..several(rng)).map(|_| ty(rng, count, 2)).collect()).collect();
        let functions = (0..5)
            .map(|_| {
                let variants = 0..several(rng);
                variants.map(|_| prototype(rng, count, 2)).collect()
            })
            .collect();
        let variables = (0..3).map(|_| ty(rng, count, 2)).collect();
        World { names, enums, typedefs, functions, variables }
    }
}

fn body(rng: &mut Rng, names: usize, depth: usize) -> Body {
    let union = rng.chance(1, 4);
    let count = rng.between(0, 3);
    let members: Vec<_> = (0..count)
        .map(|index| {
            let offset = if union { 0 } else { 8 * index as u64 };
            (if depth == 3 { index + 1 } else { rng.below(4) }, ty(rng, names, depth - 1), offset)
        })
        .collect();
    let bits = rng.chance(1, 12).then(|| rng.below(count.max(1)));
    Body { union, size: 8 * count as u64, members, bits, tag: rng.chance(1, 24) }
}

fn prototype(rng: &mut Rng, names: usize, depth: usize) -> Type {
    let result = if rng.chance(1, 3) { Type::Void } else { ty(rng, names, depth - 1) };
    let params = (0..rng.below(4))
        .map(|_| (rng.chance(1, 2).then(|| rng.between(1, 3)), ty(rng, names, depth - 1)))
        .collect();
    Type::Prototype(Box::new(result), params, rng.chance(1, 8))
}

fn ty(rng: &mut Rng, names: usize, depth: usize) -> Type {
    let name = |rng: &mut Rng| Type::Named(rng.below(names));
    if depth == 0 {
        return match rng.below(8) {
            0..=3 => Type::Base(rng.pick(&[0, 0, 1, 2, 3, 4, 5])),
            4 => Type::Enum(rng.below(2)),
            5 => Type::Typedef(rng.below(3)),
            _ => Type::Pointer(Box::new(name(rng))),
        };
    }
    let inner = |rng: &mut Rng| Box::new(ty(rng, names, depth - 1));
    match rng.below(24) {
        0..=6 => {
            let target = name(rng);
            Type::Pointer(Box::new(if rng.chance(1, 4) {
                Type::Const(Box::new(target))
            } else {
                target
            }))
        }
        7..=8 => Type::Pointer(inner(rng)),
        9 => Type::Pointer(Box::new(Type::Void)),
        10 => Type::Pointer(Box::new(Type::Const(Box::new(Type::Void)))),
        11 => Type::Const(inner(rng)),
        12 => Type::Volatile(inner(rng)),
        13 => Type::Array(Box::new(Type::Pointer(Box::new(name(rng)))), rng.pick(&[0, 2, 3])),
        14 => Type::Array(inner(rng), rng.pick(&[0, 2, 3])),
        15..=16 => Type::Anonymous(body(rng, names, depth)),
        17 => Type::AnonymousEnum(rng.below(2)),
        18 => Type::Pointer(Box::new(prototype(rng, names, depth))),
        19 => Type::Tagged(inner(rng)),
        20 => name(rng),
        21 => Type::Typedef(rng.below(3)),
        _ => ty(rng, names, 0),
    }
}

/// The state while one unit is written.
struct Writer<'w> {
    shape: &'w Shape,
    world: &'w World,
    rng: &'w mut Rng,
    dies: Vec<Die>,
    /// Labels of what was written, by what it says.
    known: HashMap<String, String>,
    labels: usize,
    /// By name: the labels that stand for it.
    names: HashMap<usize, Vec<String>>,
    enums: HashMap<usize, String>,
    typedefs: HashMap<usize, String>,
}

impl<'w> Writer<'w> {
    fn unit(shape: &'w Shape, world: &'w World, rng: &'w mut Rng, number: usize) -> Unit {
        let version = rng.pick(&[5, 5, 5, 4, 4, 3, 2]);
        let mut unit = Unit::new(version);
        if rng.chance(1, 24) {
            unit = unit.language(rng.pick(&[crate::lang::RUST, 0x02]));
        }
        if rng.chance(shape.forms, 64) {
            unit.refs = rng.pick(&[RefForm::Ref4, RefForm::Ref8, RefForm::Udata]);
            unit.siblings = rng.chance(1, 2);
            unit.dwarf64 = version >= 3 && rng.chance(1, 4);
            unit.numbers = rng.pick(&[NumberForm::Smallest, NumberForm::Wide, NumberForm::Leb]);
            unit.strings = rng.pick(&[StringForm::Strp, StringForm::Inline]);
            if version >= 5 {
                unit.strings = rng.pick(&[
                    StringForm::Strp,
                    StringForm::Inline,
                    StringForm::LineStrp,
                    StringForm::Strx,
                ]);
                if rng.chance(1, 4) {
                    unit.numbers = NumberForm::Implicit;
                }
            }
        }
        let mut writer = Writer {
            shape,
            world,
            rng,
            dies: Vec::new(),
            known: HashMap::new(),
            labels: 0,
            names: HashMap::new(),
            enums: HashMap::new(),
            typedefs: HashMap::new(),
        };
        writer.contents(number);
        unit.children(writer.dies)
    }

    fn contents(&mut self, number: usize) {
        for name in 0..self.shape.names {
            if self.rng.chance(2, 3) {
                self.name(name);
            }
        }
        if self.rng.chance(1, 4) {
            self.typedef(0);
        }
        if self.rng.chance(self.shape.functions, 64) {
            for function in 0..5 {
                if self.rng.chance(1, 2) {
                    self.function(function);
                }
            }
            for variable in 0..3 {
                if self.rng.chance(1, 3) {
                    self.variable(variable, number);
                }
            }
        }
        if self.rng.chance(self.shape.shuffle, 64) {
            // Neighbours change places, or all do: what is first decides ids and orders.
            if self.rng.chance(1, 2) {
                self.rng.shuffle(&mut self.dies);
            } else {
                for _ in 0..self.rng.below(4) {
                    let at = self.rng.below(self.dies.len());
                    if at > 0 {
                        self.dies.swap(at - 1, at);
                    }
                }
            }
        }
        if self.rng.chance(1, 8) {
            self.nest();
        }
    }

    /// Puts some entries inside a function's, as types that are local to it.
    fn nest(&mut self) {
        let count = self.rng.below(4).min(self.dies.len());
        let start = self.dies.len() - count;
        let inside = self.dies.split_off(start);
        let mut block = Die::new(tag::LEXICAL_BLOCK).children(inside);
        if self.rng.chance(self.shape.odd, 8) {
            let name = Die::new(tag::UNSPECIFIED_TYPE).name("odd").label("odd");
            block = block.child(name).child(Die::pointer("odd"));
        }
        self.dies.push(Die::function("local", "void").child(block));
    }

    /// A name by its number.
    fn text(&self, what: &str, number: usize) -> String {
        if self.shape.long { format!("{what}_of_{number}") } else { format!("{what}{number}") }
    }

    fn label(&mut self) -> String {
        self.labels += 1;
        format!("t{}", self.labels)
    }

    fn push(&mut self, die: Die) -> String {
        let label = self.label();
        self.dies.push(die.label(&label));
        label
    }

    /// The label of a name, which is written when the unit has none yet.
    fn name(&mut self, name: usize) -> String {
        if let Some(labels) = self.names.get(&name).cloned() {
            return self.rng.pick_ref(&labels).clone();
        }
        let world = self.world;
        let bodies = &world.names[name];
        let pick = |writer: &mut Self| {
            let other = writer.rng.chance(writer.shape.other, 64);
            bodies[if other { writer.rng.below(bodies.len()) } else { 0 }].clone()
        };
        let body = pick(self);
        let declared = self.rng.chance(self.shape.declared, 64);
        let twice = self.rng.chance(self.shape.twice, 64);
        let label = self.label();
        let mut all = vec![(label.clone(), body.clone(), declared)];
        if twice {
            let other = if self.rng.chance(1, 2) { body } else { pick(self) };
            let declared = self.rng.chance(1, 2);
            all.push((self.label(), other, declared));
        }
        let labels = all.iter().map(|(label, ..)| label.clone()).collect();
        self.names.insert(name, labels);
        let text = self.text("n", name);
        for (label, body, declared) in all {
            let tag = if body.union { tag::UNION_TYPE } else { tag::STRUCTURE_TYPE };
            let die = Die::new(tag).name(&text).label(&label);
            if declared {
                let die = die.flag(at::DECLARATION);
                let at = self.rng.between(0, self.dies.len());
                self.dies.insert(at, die);
            } else {
                let early = self.rng.chance(1, 2);
                let at = self.dies.len();
                let die = self.body(die, &body);
                let at = if early { at.min(self.dies.len()) } else { self.dies.len() };
                self.dies.insert(at, die);
            }
        }
        label
    }

    fn body(&mut self, mut die: Die, body: &Body) -> Die {
        die = die.size(body.size);
        for (index, (name, ty, offset)) in body.members.iter().enumerate() {
            let odd = self.rng.chance(self.shape.odd, 16);
            let label = if odd { "void".to_owned() } else { self.ty(ty) };
            let mut member = Die::new(tag::MEMBER);
            if *name != 0 {
                member = member.name(MEMBERS[*name]);
            }
            member = member.ty(&label);
            if body.bits == Some(index) && matches!(ty, Type::Base(0 | 3)) {
                member = member.number(at::BIT_SIZE, 3).number(at::DATA_BIT_OFFSET, offset * 8);
            } else if !body.union {
                member = member.number(at::DATA_MEMBER_LOCATION, *offset);
            }
            if body.tag {
                member = member.child(Die::annotation("btf_decl_tag", "m"));
            }
            // An anonymous structure may lie inside.
            if matches!(ty, Type::Anonymous(_))
                && self.rng.chance(1, 3)
                && self.dies.last().is_some_and(|die| die.label.as_ref() == Some(&label))
                && let Some(inner) = self.dies.pop()
            {
                die = die.child(inner);
            }
            die = die.child(member);
        }
        if body.tag {
            die = die.child(Die::annotation("btf_decl_tag", "s"));
        }
        die
    }

    fn typedef(&mut self, typedef: usize) -> String {
        if let Some(label) = self.typedefs.get(&typedef)
            && !self.rng.chance(self.shape.copy, 256)
        {
            return label.clone();
        }
        let label = self.label();
        self.typedefs.insert(typedef, label.clone());
        let world = self.world;
        let variants = &world.typedefs[typedef];
        let other = self.rng.chance(self.shape.other, 64);
        let which = if other { self.rng.below(variants.len()) } else { 0 };
        // One that would contain itself is an integer.
        let target = match &variants[which] {
            Type::Typedef(_) | Type::Const(_) | Type::Volatile(_) | Type::Array(..) => {
                Type::Base(0)
            }
            other => other.clone(),
        };
        let target = self.ty(&target);
        // Typedefs are called as structures are, which is no conflict.
        let die = Die::new(tag::TYPEDEF).name(&self.text("n", typedef)).ty(&target).label(&label);
        self.dies.push(die);
        label
    }

    fn enumeration(&mut self, which: usize, named: bool) -> Die {
        let world = self.world;
        let variants = &world.enums[which];
        let other = self.rng.chance(self.shape.other, 64);
        let variant = if other { self.rng.below(variants.len()) } else { 0 };
        let (size, values) = &variants[variant];
        let mut die = Die::new(tag::ENUMERATION_TYPE).size(*size);
        if named {
            die = die.name(&self.text("e", which));
            if self.rng.chance(self.shape.declared, 64) {
                return die.flag(at::DECLARATION);
            }
        }
        for (index, value) in values.iter().enumerate() {
            die = die.value(&format!("v{which}{index}"), *value);
        }
        die
    }

    /// The label of a type: of one that the unit has, or of a copy.
    fn ty(&mut self, ty: &Type) -> String {
        match ty {
            Type::Void => return "void".to_owned(),
            Type::Named(name) => return self.name(*name),
            Type::Typedef(typedef) => return self.typedef(*typedef),
            Type::Enum(which) => {
                if let Some(label) = self.enums.get(which)
                    && !self.rng.chance(self.shape.copy, 256)
                {
                    return label.clone();
                }
                let die = self.enumeration(*which, true);
                let label = self.push(die);
                self.enums.insert(*which, label.clone());
                return label;
            }
            _ => {}
        }
        let what = format!("{ty:?}");
        let copy = match ty {
            Type::Base(_) => self.shape.copy / 16,
            _ => self.shape.copy,
        };
        if let Some(label) = self.known.get(&what)
            && !self.rng.chance(copy, 64)
        {
            return label.clone();
        }
        // A type that is used before its contents, as compilers have it.
        let early = self.rng.chance(1, 4);
        let at = self.dies.len();
        let die = match ty {
            Type::Base(which) => {
                let (name, size, encoding) = BASES[*which];
                Die::base(name, size, encoding)
            }
            Type::Pointer(target) => Die::pointer(&self.ty(target)),
            Type::Tagged(target) => {
                let die = Die::pointer(&self.ty(target));
                die.child(Die::annotation("btf_type_tag", "user"))
            }
            Type::Const(target) => Die::constant(&self.ty(target)),
            Type::Volatile(target) => Die::volatile(&self.ty(target)),
            Type::Array(target, len) => Die::array(&self.ty(target), &[*len]),
            Type::Anonymous(body) => {
                let die = if body.union { Die::union("", 0) } else { Die::structure("", 0) };
                let die = Die { attrs: Vec::new(), ..die };
                self.body(die, body)
            }
            Type::AnonymousEnum(which) => self.enumeration(*which, false),
            Type::Prototype(result, params, varargs) => {
                let mut die = Die::prototype(&self.ty(result), &[]);
                for (name, ty) in params {
                    let label = self.ty(ty);
                    let mut param = Die::new(tag::FORMAL_PARAMETER);
                    if let Some(name) = name {
                        param = param.name(MEMBERS[*name]);
                    }
                    die = die.child(param.ty(&label));
                }
                if *varargs { die.varargs() } else { die }
            }
            Type::Void | Type::Named(_) | Type::Typedef(_) | Type::Enum(_) => Die::new(tag::LABEL),
        };
        let label = self.label();
        self.known.insert(what, label.clone());
        let at = if early { at.min(self.dies.len()) } else { self.dies.len() };
        self.dies.insert(at, die.label(&label));
        label
    }

    fn function(&mut self, which: usize) {
        let world = self.world;
        let variants = &world.functions[which];
        let other = self.rng.chance(self.shape.other, 64);
        let variant = if other { self.rng.below(variants.len()) } else { 0 };
        let Type::Prototype(result, params, varargs) = &variants[variant] else { return };
        let result = self.ty(result);
        let mut die = Die::new(tag::SUBPROGRAM).name(&format!("f{which}"));
        die = die.ty(&result).flag(at::EXTERNAL);
        if self.rng.chance(1, 16) {
            die = die.flag(at::DECLARATION);
        }
        let mut origins = Vec::new();
        for (index, (name, ty)) in params.iter().enumerate() {
            let label = self.ty(ty);
            let mine = self.label();
            let name = name.unwrap_or(index % 4);
            let mut param = Die::new(tag::FORMAL_PARAMETER).label(&mine);
            param = param.name(["x", "y", "z", "w"][name]).ty(&label);
            if self.rng.chance(1, 2) {
                let expected = [5, 4, 1, 2, 8, 9][index];
                let register = if self.rng.chance(1, 32) { 0 } else { expected };
                param = param.expression(at::LOCATION, &[op::REG0 + register]);
            } else if self.rng.chance(1, 4) {
                let list = vec![vec![op::FBREG, 0], vec![op::ENTRY_VALUE, 1, op::REG0 + 5]];
                param = param.attr(at::LOCATION, Value::List(list));
            }
            origins.push(mine);
            die = die.child(param);
        }
        if *varargs {
            die = die.varargs();
        }
        if self.rng.chance(1, 24) {
            die = die.child(Die::annotation("btf_decl_tag", "f"));
        }
        let label = self.push(die);
        // An instance of what was inlined, which says it all by reference.
        if self.rng.chance(1, 4) {
            let mut die = Die::new(tag::SUBPROGRAM).refer(at::ABSTRACT_ORIGIN, &label);
            for origin in origins {
                let param = Die::new(tag::FORMAL_PARAMETER);
                die = die.child(param.refer(at::ABSTRACT_ORIGIN, &origin));
            }
            let label = self.label();
            let at = if self.rng.chance(1, 3) { 0 } else { self.dies.len() };
            self.dies.insert(at, die.label(&label));
        }
    }

    fn variable(&mut self, which: usize, number: usize) {
        let world = self.world;
        let label = self.ty(&world.variables[which]);
        let address = 0x10_0000 + 8 * (self.rng.below(4) + 4 * (number % 4)) as u64;
        let mut die = Die::variable(&format!("v{which}"), &label, address);
        if self.rng.chance(1, 2) {
            die = die.flag(at::EXTERNAL);
        }
        if self.rng.chance(1, 12) {
            die = die.child(Die::annotation("btf_decl_tag", "v"));
        }
        self.dies.push(die);
    }
}
