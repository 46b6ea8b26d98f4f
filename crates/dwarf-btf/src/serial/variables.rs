//! Variables and the sections they lie in.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use kmill_btf::format::{Info, linkage};
use kmill_btf::{Btf, Kind, TypeId};
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::elf::image::{Image, Symbols};
use crate::error::{EncodeError, Place};
use crate::features::Features;
use crate::serial::stream::{Stream, UnitBase};
use crate::unit::model::{CoreId, Entry, Unit, Variable};
use crate::unit::packed;

/// Section types (`SHT_PROGBITS`, `SHT_NOBITS`) and a symbol's (`STT_OBJECT`).
const PROGBITS: u32 = 1;
const NOBITS: u32 = 8;
const OBJECT: u8 = 1;

/// Names that begin so are the kernel's machinery, and nobody's variables.
const MACHINERY: [&[u8]; 5] = [
    b"__UNIQUE_ID",
    b"__tpstrtab_",
    b"__exitcall_",
    b"__gendwarfksyms_ptr_",
    b"__func_stack_frame_non_standard_",
];

/// Longest name of a variable.
const NAME_MAX: usize = 128;

/// An index of a section.
type SectionIndex = usize;

/// The sections that variables are looked for in, and those found.
#[derive(Debug)]
pub(crate) struct Sections<'a> {
    ranges: Vec<Range>,
    symbols: Symbols<'a>,
    /// Hashes of sections and names of objects, once anybody asks: for what lies at address 0.
    /// Of names that are alike in 64 bits one would do for the other; none are.
    objects: OnceLock<FxHashSet<u64>>,
    entries: Vec<Vec<Entry3>>,
}

/// Variable, offset, size.
type Entry3 = (TypeId, u32, u32);

#[derive(Clone, Debug)]
struct Range {
    addr: u64,
    size: u64,
    may_hold: bool,
    included: bool,
}

/// A variable that is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'u, 'a> {
    pub(crate) name: &'a [u8],
    /// The variable that says what it is: itself or its declaration.
    pub(crate) variable: &'u Variable<'a>,
    pub(crate) place: Placed,
}

/// Where a variable lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) section: SectionIndex,
    pub(crate) offset: u32,
    pub(crate) size: u32,
}

/// Why a variable is not encoded, when that is not its own affair.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is of type `void`: the reference leaves out the rest of its unit's too.
    Rest,
    /// It ends the encoding.
    Error(EncodeError),
}

/// What is said of a variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared<'d> {
    pub(crate) name: Option<&'d [u8]>,
    pub(crate) is_void: bool,
    /// Where, for an error.
    pub(crate) place: u64,
}

impl<'a> Sections<'a> {
    pub(crate) fn new(image: &Image<'_>, symbols: Symbols<'a>, features: &Features) -> Self {
        let ranges: Vec<Range> = image
            .sections
            .iter()
            .map(|section| Range {
                addr: section.place,
                size: section.size,
                may_hold: matches!(section.kind, PROGBITS | NOBITS),
                included: features.global_var || (features.var && section.name == b".data..percpu"),
            })
            .collect();
        Sections {
            entries: vec![Vec::new(); ranges.len()],
            ranges,
            symbols,
            objects: OnceLock::new(),
        }
    }

    /// Whether any variable can be found.
    pub(crate) fn any(&self) -> bool {
        self.ranges.iter().any(|range| range.included)
    }

    fn find(&self, address: u64) -> Option<SectionIndex> {
        let holds = |range: &Range| {
            range.may_hold && range.addr <= address && address - range.addr < range.size
        };
        self.ranges.iter().skip(1).position(holds).map(|index| index + 1)
    }

    /// What a variable of a unit is, when it is encoded.
    pub(crate) fn look<'u, 'b>(
        &self,
        unit: &'u Unit<'b>,
        variable: &'u Variable<'b>,
        features: &Features,
        address_size: u8,
    ) -> Result<Option<Found<'u, 'b>>, Refused> {
        if !variable.top_level || variable.artificial {
            return Ok(None);
        }
        let Some(address) = variable.address else { return Ok(None) };
        let declaration = variable.specification.and_then(|offset| unit.entries.get(&offset.0));
        let variable = match declaration {
            Some(Entry::Variable(index)) => &unit.variables[*index as usize],
            _ => variable,
        };
        let declared = Declared {
            name: variable.name,
            is_void: variable.target_id == CoreId(0),
            place: variable.target.map_or(0, |offset| offset.0),
        };
        let size = |_: &Declared<'_>| packed::size(unit, variable.target_id, address_size);
        let found = self.place(address, &declared, features, size)?;
        Ok(found.map(|place| Found { name: variable.name.unwrap_or_default(), variable, place }))
    }

    /// Whether an address is in a section that is asked for.
    pub(crate) fn includes(&self, address: u64) -> bool {
        self.find(address).is_some_and(|index| self.ranges[index].included)
    }

    /// Where a variable lies, when it is encoded.
    pub(crate) fn place<'d>(
        &self,
        address: u64,
        declared: &Declared<'d>,
        features: &Features,
        size: impl FnOnce(&Declared<'d>) -> Option<u64>,
    ) -> Result<Option<Placed>, Refused> {
        let Some(section) = self.find(address).filter(|index| self.ranges[*index].included) else {
            return Ok(None);
        };
        let address = address - self.ranges[section].addr;
        let Some(name) = declared.name else { return Ok(None) };
        if MACHINERY.iter().any(|start| name.starts_with(start)) {
            return Ok(None);
        }
        // Address 0 may stand for a section that was thrown away.
        if address == 0 && !self.is_object(section, name) {
            return Ok(None);
        }
        if !is_valid(name) {
            if features.encode_force {
                return Ok(None);
            }
            let place = Place { section: ".debug_info", unit: None, offset: declared.place };
            let what = "a variable whose name BTF cannot have";
            return Err(Refused::Error(EncodeError::Dwarf { place, what }));
        }
        if declared.is_void {
            return if features.encode_force { Ok(None) } else { Err(Refused::Rest) };
        }
        let size = size(declared);
        let size = size.and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        let (Some(size), Ok(offset)) = (size, u32::try_from(address)) else { return Ok(None) };
        Ok(Some(Placed { section, offset, size }))
    }

    /// Whether a symbol says that an object of that name is in the section.
    fn is_object(&self, section: SectionIndex, name: &[u8]) -> bool {
        let objects = self.objects.get_or_init(|| {
            let mut objects = FxHashSet::default();
            self.symbols.for_each(|symbol| {
                if symbol.kind == OBJECT {
                    objects.insert(hash(symbol.section as usize, symbol.name));
                }
            });
            objects
        });
        objects.contains(&hash(section, name))
    }

    /// Appends the variables of a unit.
    pub(crate) fn encode(
        &mut self,
        stream: &mut Stream,
        unit: &Unit<'_>,
        base: UnitBase,
        features: &Features,
        address_size: u8,
    ) -> Result<(), EncodeError> {
        for variable in &unit.variables {
            let found = match self.look(unit, variable, features, address_size) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(Refused::Rest) => break,
                Err(Refused::Error(error)) => return Err(error),
            };
            let variable = found.variable;
            let name = stream.btf.add_string(found.name);
            let linkage = if variable.external { linkage::GLOBAL } else { linkage::STATIC };
            let info = Info::new(Kind::Var, false, 0);
            let target = base.id(variable.target_id);
            let id = stream.btf.types.push(name, info, target.0, &[linkage]);
            for annotation in unit.annotations(&variable.annotations) {
                stream.decl_tag(annotation, id);
            }
            let Placed { section, offset, size } = found.place;
            self.add(section, id, offset, size);
        }
        Ok(())
    }

    /// Notes where a variable lies that was appended.
    pub(crate) fn add(&mut self, section: SectionIndex, id: TypeId, offset: u32, size: u32) {
        self.entries[section].push((id, offset, size));
    }

    /// Appends the sections, in the order of the file.
    pub(crate) fn finish(mut self, btf: &mut Btf, image: &Image<'_>) {
        for (entries, section) in self.entries.iter_mut().zip(&image.sections) {
            // Those at one place stay in the order of their ids.
            entries.sort_unstable_by_key(|entry| entry.0);
            // The number of variables that the reference counts to.
            entries.truncate(entries.len() & 0xffff);
            entries.sort_by(|a, b| (a.1.wrapping_sub(b.1) as i32).cmp(&0));
            let Some(last) = entries.last() else { continue };
            let size = last.1.wrapping_add(last.2);
            let name = btf.add_string(section.name);
            let more: Vec<u32> =
                entries.iter().flat_map(|&(id, at, size)| [id.0, at, size]).collect();
            let info = Info::new(Kind::Datasec, false, entries.len() as u32);
            btf.types.push(name, info, size, &more);
        }
    }
}

fn hash(section: SectionIndex, name: &[u8]) -> u64 {
    FxBuildHasher.hash_one((section, name))
}

/// Whether a variable may be called that.
fn is_valid(name: &[u8]) -> bool {
    let ok = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let first = name.first().is_some_and(|byte| ok(byte) && !byte.is_ascii_digit());
    first && name.len() <= NAME_MAX && name.iter().all(ok)
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn names_are_identifiers_with_dots() {
        assert!(is_valid(b"a.b_c9"));
        assert!(is_valid(b".x"));
        assert!(!is_valid(b"9a"));
        assert!(!is_valid(b""));
        assert!(!is_valid(b"a$b"));
        assert!(is_valid(&[b'a'; 128]));
        assert!(!is_valid(&[b'a'; 129]));
    }
}
