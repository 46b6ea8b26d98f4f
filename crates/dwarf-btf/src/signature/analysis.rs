//! Parameters against the calling convention: which of them arrive where the source's prototype
//! has them, and which are gone.
//!
//! The parameters of a function take registers one after another. What a location says is held
//! against the register that is next. Where the compiler says that it changed the signature, a
//! mismatch is looked at more closely: a value that is known is no parameter any more, and a
//! structure of which one register holds a single member is that member.

use crate::signature::facts::{Field, ParameterFacts};
use crate::unit::model::{CoreId, Entry, Function, Shape, Unit};

/// How parameters are passed on a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convention {
    /// Which registers, where that is known, and how many.
    pub(crate) registers: &'static [u8],
    pub(crate) count: usize,
    /// Two of them hold a structure of two words.
    pub(crate) pairs: bool,
}

/// Chains of types that are longer go in a circle.
const STEPS_MAX: u32 = 256;

/// Finds sizes and fields of all parameters, once types are resolved and before any parameter
/// takes anything from its origin.
pub(crate) fn settle(unit: &mut Unit<'_>, convention: &Convention, address_size: u8) {
    for index in 0..unit.signatures.params.len() {
        let param = &unit.params[index];
        // One with an origin has its type from there, even if it says one.
        let target = match param.origin.map(|origin| unit.entries.get(&origin.0)) {
            None => param.target_id,
            Some(Some(Entry::Parameter(origin))) => unit.params[*origin as usize].target_id,
            Some(_) => CoreId(0),
        };
        let size = value_size(unit, target, address_size) as u16;
        let words = if convention.pairs { 2 } else { 1 };
        let in_memory = size > words * u16::from(address_size);
        let in_pieces = convention.pairs && size > u16::from(address_size);

        let mut passing = unit.signatures.params[index].passing;
        let mut field = None;
        if in_pieces {
            passing.register = passing.register_of_pieces;
            let single = single_byte(passing.first, passing.second, address_size);
            if let Some(byte) = single.filter(|_| param.name.is_some()) {
                field = field_at(unit, param.target_id, byte);
            }
        } else {
            (passing.first, passing.second) = (0, 0);
        }
        let facts = &mut unit.signatures.params[index];
        *facts = ParameterFacts { passing, size, in_memory, field, ..facts.clone() };
    }
}

/// The only byte at which a piece starts, when there is only one.
fn single_byte(first: u64, second: u64, address_size: u8) -> Option<u32> {
    match (first.count_ones(), second.count_ones()) {
        (1, 0) => Some(first.trailing_zeros()),
        (0, 1) => Some(u32::from(address_size) + second.trailing_zeros()),
        _ => None,
    }
}

/// Bytes of a type as its entry says, or as what it stands for.
fn value_size(unit: &Unit<'_>, id: CoreId, address_size: u8) -> u64 {
    let mut id = id;
    for _ in 0..STEPS_MAX {
        let Some(ty) = unit.get(id) else { return 0 };
        let size = match ty.shape {
            Shape::Pointer => return u64::from(address_size),
            Shape::Base { size, .. }
            | Shape::Composite { size, .. }
            | Shape::Prototype { size, .. } => size,
            Shape::Enumeration { bits, .. } => bits / 8,
            _ => 0,
        };
        if size != 0 {
            return size;
        }
        id = ty.target_id;
    }
    0
}

/// The member of a structure at a byte; nothing when it has no name or no type.
fn field_at<'a>(unit: &Unit<'a>, id: CoreId, byte: u32) -> Option<Field<'a>> {
    let mut id = id;
    for _ in 0..STEPS_MAX {
        let ty = unit.get(id)?;
        let members = match &ty.shape {
            Shape::Composite { union: false, size: 1.., members, .. } => members,
            Shape::Const | Shape::Volatile | Shape::Restrict | Shape::Typedef => {
                id = ty.target_id;
                continue;
            }
            _ => return None,
        };
        let mut members = unit
            .members(members)
            .iter()
            .filter(|member| !member.is_inheritance && !member.is_static);
        let member = members.find(|member| match member.old_bit_offset {
            // Bits of DWARF 2 count within the bytes.
            Some(_) => member.byte_offset == byte,
            None => member.bit_offset == byte * 8,
        })?;
        member.target?;
        return Some(Field { name: member.name?, target_id: member.target_id });
    }
    None
}

/// Looks at the parameters of a function, once all have what they take from their origins: which
/// are in unexpected registers, which are gone, and which are a member now.
pub(crate) fn function(
    unit: &mut Unit<'_>,
    index: usize,
    convention: &Convention,
    address_size: u8,
) {
    let function = unit.functions[index].clone();
    let changed = is_changed(unit, index, &function);
    unit.signatures.functions[index].changed = changed;
    let mut walk = Walk {
        convention,
        address_size,
        says_changes: unit.signatures.says_changes == Some(true),
        changed,
        next: 0,
    };
    for param in function.params.clone() {
        let following = (param + 1..function.params.end).next();
        if walk.says_changes && !changed {
            if walk.unchanged(unit, param as usize) {
                break;
            }
        } else {
            walk.next += walk.step(unit, param as usize, following.map(|param| param as usize));
        }
    }
    let reordered = unit.signatures.functions[index].reordered;
    for param in function.params {
        let facts = &mut unit.signatures.params[param as usize];
        facts.dropped =
            reordered && (!facts.has_location || facts.optimized) || changed && facts.optimized;
        facts.renamed = changed && facts.field.is_some();
    }
}

/// Whether the compiler says that it changed a function's signature. An inlined one is as in the
/// source; for an instance, its origin says it.
fn is_changed(unit: &Unit<'_>, index: usize, function: &Function<'_>) -> bool {
    let facts = &unit.signatures.functions;
    if unit.signatures.says_changes != Some(true) || facts[index].is_inlined {
        return false;
    }
    match function.origin.map(|origin| unit.entries.get(&origin.0)) {
        None => facts[index].odd_calls,
        Some(Some(Entry::Function(origin))) => facts[*origin as usize].odd_calls,
        Some(_) => false,
    }
}

/// The way through the parameters of a function.
struct Walk<'c> {
    convention: &'c Convention,
    address_size: u8,
    says_changes: bool,
    changed: bool,
    /// The register that is next.
    next: usize,
}

impl Walk<'_> {
    fn expected(&self, register: usize) -> Option<u8> {
        self.convention.registers.get(register).copied()
    }

    /// How many registers a parameter takes as the source has it.
    fn registers(&self, facts: &ParameterFacts<'_>) -> usize {
        let word = usize::from(self.address_size).max(1);
        match self.convention.pairs {
            true => usize::from(facts.size).div_ceil(word).max(1),
            false => 1,
        }
    }

    /// A parameter of a function that is as in the source. It says whether the rest is on the
    /// stack.
    fn unchanged(&mut self, unit: &mut Unit<'_>, param: usize) -> bool {
        let facts = &unit.signatures.params[param];
        if facts.in_memory {
            return false;
        }
        if self.next >= self.convention.count {
            return true;
        }
        let end = (self.next + self.registers(facts)).min(self.convention.count);
        if let Some(register) = facts.passing.register
            && !(self.next..end).any(|place| self.expected(place) == Some(register))
        {
            unit.params[param].unexpected_register = true;
        }
        self.next += self.registers(facts);
        false
    }

    /// A parameter of a function that may have been changed. It says how many registers it takes.
    fn step(&self, unit: &mut Unit<'_>, param: usize, following: Option<usize>) -> usize {
        let facts = &unit.signatures.params[param];
        let registers = self.registers(facts);
        let taken = if facts.in_memory { 1 } else { registers };
        let is_left = self.next < self.convention.count;
        let follows = following.is_some_and(|following| {
            let register = unit.signatures.params[following].passing.register;
            let place = self.next + registers;
            let expected = self.expected(place).filter(|_| place < self.convention.count);
            register.is_some() && register == expected
        });

        if !facts.has_location {
            let is_value = facts.has_value && !self.says_changes;
            if !is_value && !self.changed {
                return taken;
            }
            if !is_value && is_left && follows {
                return registers;
            }
            unit.signatures.params[param].optimized = true;
            return if is_value { taken } else { 0 };
        }
        if self.changed && facts.passing.constant {
            unit.signatures.params[param].optimized = true;
            return 0;
        }
        if !is_left {
            return 0;
        }
        if self.changed && facts.passing.on_stack {
            unit.params[param].unexpected_register |= !facts.in_memory;
            return if facts.in_memory { 0 } else { taken };
        }
        let Some(register) = facts.passing.register else {
            if self.changed {
                unit.params[param].unexpected_register = true;
            } else {
                unit.signatures.params[param].optimized = true;
            }
            return taken;
        };
        if self.expected(self.next).is_some_and(|expected| expected != register) {
            unit.params[param].unexpected_register = true;
            return taken;
        }
        match (self.changed, facts.passing.first != 0, facts.passing.second != 0) {
            (false, ..) | (_, false, false) => taken,
            (_, true, true) => registers,
            _ if follows => {
                unit.signatures.params[param].field = None;
                registers
            }
            _ => match facts.field {
                Some(Field { target_id, .. }) if target_id != CoreId(0) => {
                    unit.params[param].target_id = target_id;
                    1
                }
                _ => taken,
            },
        }
    }
}
