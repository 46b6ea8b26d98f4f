//! Units to the bytes of `.debug_info` and of the sections that it refers to.

use std::collections::HashMap;

use modgen::Endian;

use crate::bytes::{Bytes, PADDED};
use crate::constants::{at, form, op};
use crate::die::{Die, Value};
use crate::unit::{NumberForm, RefForm, StringForm, Unit};

/// The sections of debug info.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) info: Bytes,
    pub(crate) abbrev: Bytes,
    pub(crate) str: Strings,
    pub(crate) line_str: Strings,
    pub(crate) str_offsets: Bytes,
    pub(crate) loc: Bytes,
    pub(crate) loclists: Bytes,
    pub(crate) places: Vec<Moved>,
}

/// A number that a relocatable file has from a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The section in which it is.
    pub(crate) section: &'static str,
    pub(crate) at: usize,
    pub(crate) width: usize,
    /// The section in which it says an offset; an address says none.
    pub(crate) to: Option<&'static str>,
}

const INFO: &str = ".debug_info";
const STR: &str = ".debug_str";
const STR_OFFSETS: &str = ".debug_str_offsets";
const LOC: &str = ".debug_loc";
const LOCLISTS: &str = ".debug_loclists";

/// Strings one behind another, each once unless they are not merged.
#[derive(Debug)]
pub(crate) struct Strings {
    pub(crate) bytes: Bytes,
    places: HashMap<Vec<u8>, u64>,
    merge: bool,
}

impl Strings {
    fn new(endian: Endian, merge: bool) -> Strings {
        Strings { bytes: Bytes::new(endian), places: HashMap::new(), merge }
    }

    fn add(&mut self, text: &[u8]) -> u64 {
        if let Some(place) = self.places.get(text).filter(|_| self.merge) {
            return *place;
        }
        let place = self.bytes.len() as u64;
        self.bytes.text(text);
        self.places.insert(text.to_vec(), place);
        place
    }
}

/// An attribute in an abbreviation: name, form, the value of an implicit constant.
type Spec = (u16, u16, i64);

/// A reference that is filled in when all labels have a place.
#[derive(Debug)]
struct Patch {
    at: usize,
    unit: usize,
    form: RefForm,
    label: String,
}

/// Where a unit and its labels are.
#[derive(Debug, Default)]
struct Place {
    start: usize,
    labels: HashMap<String, usize>,
}

/// The state while units are written.
struct Writer {
    to: Info,
    address_size: usize,
    places: Vec<Place>,
    patches: Vec<Patch>,
    /// Of this unit: abbreviations, numbers of strings, the lists.
    abbrevs: HashMap<(u16, bool, Vec<Spec>), u64>,
    str_base: usize,
    lists: Vec<usize>,
    list_base: usize,
}

/// All units.
///
/// # Panics
/// When a reference's label or place there is not, or does not fit its form.
pub(crate) fn write(
    units: &[Unit],
    address_size: usize,
    endian: Endian,
    merge: bool,
    merge_in_units: bool,
) -> Info {
    let new = || Bytes::new(endian);
    let to = Info {
        info: new(),
        abbrev: new(),
        str: Strings::new(endian, merge),
        line_str: Strings::new(endian, merge),
        str_offsets: new(),
        loc: new(),
        loclists: new(),
        places: Vec::new(),
    };
    let mut writer = Writer {
        to,
        address_size,
        places: Vec::new(),
        patches: Vec::new(),
        abbrevs: HashMap::new(),
        str_base: 0,
        lists: Vec::new(),
        list_base: 0,
    };
    for unit in units {
        writer.unit(unit);
        if merge_in_units {
            writer.to.str.places.clear();
            writer.to.line_str.places.clear();
        }
    }
    writer.patch();
    writer.to
}

impl Writer {
    /// Notes that a number is an offset in a section, or an address.
    fn moved(&mut self, section: &'static str, at: usize, width: usize, to: Option<&'static str>) {
        self.to.places.push(Moved { section, at, width, to });
    }

    fn unit(&mut self, unit: &Unit) {
        let wide = unit.offset_size();
        let start = self.to.info.len();
        self.places.push(Place { start, ..Place::default() });
        self.abbrevs.clear();
        let abbrev = self.to.abbrev.len() as u64;
        let length_at = open(&mut self.to.info, unit);
        self.to.info.number(u64::from(unit.version), 2);
        if unit.version >= 5 {
            self.to.info.out.extend([1, self.address_size as u8]);
            self.moved(INFO, self.to.info.len(), wide, Some(".debug_abbrev"));
            self.to.info.number(abbrev, wide);
        } else {
            self.moved(INFO, self.to.info.len(), wide, Some(".debug_abbrev"));
            self.to.info.number(abbrev, wide);
            self.to.info.out.push(self.address_size as u8);
        }

        let mut die = unit.die.clone();
        let mut close = Vec::new();
        let endian = self.to.info.endian;
        let raw = |value: usize| {
            let mut bytes = Bytes::new(endian);
            bytes.number(value as u64, wide);
            Value::Raw(form::SEC_OFFSET, bytes.out)
        };
        if unit.strings == StringForm::Strx {
            let length_at = open(&mut self.to.str_offsets, unit);
            self.to.str_offsets.number(5, 2);
            self.to.str_offsets.number(0, 2);
            self.str_base = self.to.str_offsets.len();
            close.push(length_at);
            die.attrs.insert(0, (at::STR_OFFSETS_BASE, raw(self.str_base)));
        }
        // The lists of the unit are written first, so that their places are known.
        self.lists.clear();
        if unit.version >= 5 {
            let mut lists = Vec::new();
            collect_lists(&die, &mut lists);
            if !lists.is_empty() {
                let base = self.loclists(unit, &lists);
                if unit.list_index {
                    die.attrs.insert(0, (at::LOCLISTS_BASE, raw(base)));
                }
            }
        }
        let mut list = 0;
        self.die(unit, &die, &mut list);
        for length_at in close {
            self.close_str_offsets(unit, length_at);
        }
        close_length(&mut self.to.info, unit, length_at);
        self.to.abbrev.out.push(0);
    }

    fn close_str_offsets(&mut self, unit: &Unit, length_at: usize) {
        close_length(&mut self.to.str_offsets, unit, length_at);
    }

    /// Writes the lists of a unit of DWARF 5 and returns where their table is.
    fn loclists(&mut self, unit: &Unit, lists: &[&Vec<Vec<u8>>]) -> usize {
        let (wide, size) = (unit.offset_size(), self.address_size);
        let (to, moved) = (&mut self.to.loclists, &mut self.to.places);
        let length_at = open(to, unit);
        to.number(5, 2);
        to.out.extend([size as u8, 0]);
        to.number(lists.len() as u64, 4);
        let base = to.len();
        to.out.resize(base + lists.len() * wide, 0);
        for (index, list) in lists.iter().enumerate() {
            let place = to.len();
            to.put(base + index * wide, (place - base) as u64, wide);
            self.lists.push(place);
            for (number, expression) in list.iter().enumerate() {
                // DW_LLE_start_end
                to.out.push(7);
                for at in [to.len(), to.len() + size] {
                    moved.push(Moved { section: LOCLISTS, at, width: size, to: None });
                }
                to.number(0x1000 + number as u64 * 4, size);
                to.number(0x1004 + number as u64 * 4, size);
                to.uleb(expression.len() as u64);
                to.out.extend(expression);
            }
            to.out.push(0);
        }
        close_length(to, unit, length_at);
        self.list_base = base;
        base
    }

    /// A list of locations before DWARF 5.
    fn loc(&mut self, list: &[Vec<u8>]) -> u64 {
        let (to, size) = (&mut self.to.loc, self.address_size);
        let place = to.len() as u64;
        for (number, expression) in list.iter().enumerate() {
            for at in [to.len(), to.len() + size] {
                self.to.places.push(Moved { section: LOC, at, width: size, to: None });
            }
            to.number(0x1000 + number as u64 * 4, size);
            to.number(0x1004 + number as u64 * 4, size);
            to.number(expression.len() as u64, 2);
            to.out.extend(expression);
        }
        to.number(0, size);
        to.number(0, size);
        place
    }

    fn die(&mut self, unit: &Unit, top: &Die, list: &mut usize) {
        // Entries that are open, with where their sibling is to be written. Not recursive: tests
        // write entries that lie deep in each other.
        let mut open: Vec<(std::slice::Iter<'_, Die>, Option<usize>)> = Vec::new();
        let mut next = Some(top);
        loop {
            let Some(die) = next else {
                let Some((children, _)) = open.last_mut() else { return };
                next = children.next();
                if next.is_none() {
                    self.to.info.out.push(0);
                    if let Some((_, Some(at))) = open.pop() {
                        let offset = self.to.info.len() - self.start();
                        self.to.info.put(at, offset as u64, 4);
                    }
                }
                continue;
            };
            let place = self.to.info.len();
            if let Some(label) = &die.label {
                let labels = self.places.last_mut().map(|place| &mut place.labels);
                labels.into_iter().for_each(|labels| {
                    labels.entry(label.clone()).or_insert(place);
                });
            }
            let sibling = self.attributes(unit, die, list);
            if die.children.is_empty() {
                next = None;
            } else {
                let mut children = die.children.iter();
                next = children.next();
                open.push((children, sibling));
            }
        }
    }

    fn start(&self) -> usize {
        self.places.last().map_or(0, |place| place.start)
    }

    /// Writes an entry without what is inside; returns where its sibling's place is to be.
    fn attributes(&mut self, unit: &Unit, die: &Die, list: &mut usize) -> Option<usize> {
        let mut specs = Vec::new();
        let mut body = Bytes::new(self.to.info.endian);
        let (first_patch, first_moved) = (self.patches.len(), self.to.places.len());
        let with_sibling = unit.siblings && !die.children.is_empty();
        if with_sibling {
            specs.push((at::SIBLING, form::REF4, 0));
            body.number(0, 4);
        }
        for (name, value) in &die.attrs {
            let (form, implicit) = self.value(unit, *name, value, &mut body, list);
            specs.push((*name, form, implicit));
        }
        let code = self.abbrev(unit, die, specs);
        self.to.info.uleb(code);
        let place = self.to.info.len();
        for patch in &mut self.patches[first_patch..] {
            patch.at += place;
        }
        for moved in &mut self.to.places[first_moved..] {
            if moved.section == INFO {
                moved.at += place;
            }
        }
        self.to.info.out.extend(body.out);
        with_sibling.then_some(place)
    }

    fn abbrev(&mut self, unit: &Unit, die: &Die, specs: Vec<Spec>) -> u64 {
        let next = unit.first_code.wrapping_add(self.abbrevs.len() as u64);
        let key = (die.tag, !die.children.is_empty(), specs);
        if let Some(code) = self.abbrevs.get(&key) {
            return *code;
        }
        let to = &mut self.to.abbrev;
        to.uleb(next);
        to.uleb(u64::from(die.tag));
        to.out.push(u8::from(key.1));
        for &(name, form, implicit) in &key.2 {
            to.uleb(u64::from(name));
            to.uleb(u64::from(form));
            if form == form::IMPLICIT_CONST {
                to.sleb(implicit);
            }
        }
        to.out.extend([0, 0]);
        self.abbrevs.insert(key, next);
        next
    }

    fn value(
        &mut self,
        unit: &Unit,
        name: u16,
        value: &Value,
        body: &mut Bytes,
        list: &mut usize,
    ) -> (u16, i64) {
        let wide = unit.offset_size();
        match value {
            Value::Text(text) => (self.text(unit, text, body), 0),
            Value::Number(value) => number(unit, name, *value, body),
            Value::Signed(value) => signed(unit, name, *value, body),
            Value::Implicit(value) => (form::IMPLICIT_CONST, *value),
            Value::Flag if unit.version < 4 => {
                body.out.push(1);
                (form::FLAG, 0)
            }
            Value::Flag => (form::FLAG_PRESENT, 0),
            Value::Ref(label) => (self.reference(unit, unit.refs, None, label, body), 0),
            Value::RefOutside(number, label) => {
                (self.reference(unit, RefForm::Addr, Some(*number), label, body), 0)
            }
            Value::Offset(offset) => {
                body.number(*offset, 4);
                (form::REF4, 0)
            }
            Value::Expression(bytes) if unit.version < 4 => {
                body.out.push(bytes.len() as u8);
                body.out.extend(bytes);
                (form::BLOCK1, 0)
            }
            Value::Expression(bytes) => {
                body.uleb(bytes.len() as u64);
                body.out.extend(bytes);
                (form::EXPRLOC, 0)
            }
            Value::Address(address) => {
                let mut bytes = Bytes::new(body.endian);
                bytes.out.push(op::ADDR);
                bytes.number(*address, self.address_size);
                let form = self.value(unit, name, &Value::Expression(bytes.out), body, list);
                self.moved(INFO, body.len() - self.address_size, self.address_size, None);
                form
            }
            Value::List(entries) if unit.version < 5 => {
                let place = self.loc(entries);
                self.moved(INFO, body.len(), wide, Some(LOC));
                body.number(place, wide);
                match unit.version {
                    4 => (form::SEC_OFFSET, 0),
                    _ if unit.dwarf64 => (form::DATA8, 0),
                    _ => (form::DATA4, 0),
                }
            }
            Value::List(_) => {
                let index = *list;
                *list += 1;
                if unit.list_index {
                    body.uleb(index as u64);
                    return (form::LOCLISTX, 0);
                }
                self.moved(INFO, body.len(), wide, Some(LOCLISTS));
                body.number(self.lists[index] as u64, wide);
                (form::SEC_OFFSET, 0)
            }
            Value::Raw(form, bytes) => {
                let to = match name {
                    at::STR_OFFSETS_BASE => Some(STR_OFFSETS),
                    at::LOCLISTS_BASE => Some(LOCLISTS),
                    _ => None,
                };
                if to.is_some() || *form == form::ADDR {
                    self.moved(INFO, body.len(), bytes.len(), to);
                }
                body.out.extend(bytes);
                (*form, 0)
            }
        }
    }

    fn text(&mut self, unit: &Unit, text: &[u8], body: &mut Bytes) -> u16 {
        let wide = unit.offset_size();
        match unit.strings {
            _ if unit.short_in_place && text.len() < wide => {
                body.text(text);
                form::STRING
            }
            StringForm::Inline => {
                body.text(text);
                form::STRING
            }
            StringForm::Strp => {
                self.moved(INFO, body.len(), wide, Some(STR));
                body.number(self.to.str.add(text), wide);
                form::STRP
            }
            StringForm::LineStrp => {
                self.moved(INFO, body.len(), wide, Some(".debug_line_str"));
                body.number(self.to.line_str.add(text), wide);
                form::LINE_STRP
            }
            StringForm::Strx => {
                let place = self.to.str.add(text);
                body.uleb(((self.to.str_offsets.len() - self.str_base) / wide) as u64);
                self.moved(STR_OFFSETS, self.to.str_offsets.len(), wide, Some(STR));
                self.to.str_offsets.number(place, wide);
                form::STRX
            }
        }
    }

    fn reference(
        &mut self,
        unit: &Unit,
        form: RefForm,
        outside: Option<usize>,
        label: &str,
        body: &mut Bytes,
    ) -> u16 {
        let unit_number = outside.unwrap_or(self.places.len() - 1);
        let label = label.to_owned();
        self.patches.push(Patch { at: body.len(), unit: unit_number, form, label });
        let (width, form) = match form {
            RefForm::Ref1 => (1, form::REF1),
            RefForm::Ref2 => (2, form::REF2),
            RefForm::Ref4 => (4, form::REF4),
            RefForm::Ref8 => (8, form::REF8),
            RefForm::Udata => (PADDED, form::REF_UDATA),
            RefForm::Addr => (self.addr_width(unit), form::REF_ADDR),
        };
        // The width stands there until the place is known.
        body.out.resize(body.len() + width, width as u8);
        form
    }

    /// DWARF 2 had the size of an address in `DW_FORM_ref_addr`.
    fn addr_width(&self, unit: &Unit) -> usize {
        if unit.version == 2 { self.address_size } else { unit.offset_size() }
    }

    fn patch(&mut self) {
        for Patch { at, unit, form, label } in &self.patches {
            let Place { start, labels } = &self.places[*unit];
            let Some(place) = labels.get(label) else { panic!("unit {unit} has no {label:?}") };
            let offset = (place - start) as u64;
            let width = match form {
                RefForm::Ref1 => 1,
                RefForm::Ref2 => 2,
                RefForm::Ref4 => 4,
                RefForm::Ref8 => 8,
                RefForm::Udata => {
                    self.to.info.put_padded_uleb(*at, offset);
                    continue;
                }
                RefForm::Addr => {
                    let width = usize::from(self.to.info.out[*at]);
                    self.to.info.put(*at, *place as u64, width);
                    self.to.places.push(Moved { section: INFO, at: *at, width, to: Some(INFO) });
                    continue;
                }
            };
            assert!(width == 8 || offset >> (8 * width) == 0, "{label:?} is too far for {form:?}");
            self.to.info.put(*at, offset, width);
        }
    }
}

/// Begins what has a length in front, and returns where that is.
fn open(to: &mut Bytes, unit: &Unit) -> usize {
    if unit.dwarf64 {
        to.number(0xffff_ffff, 4);
    }
    let at = to.len();
    to.number(0, unit.offset_size());
    at
}

fn close_length(to: &mut Bytes, unit: &Unit, at: usize) {
    let wide = unit.offset_size();
    let length = (to.len() - at - wide) as u64;
    to.put(at, length, wide);
}

/// The lists in the order in which entries come.
fn collect_lists<'d>(top: &'d Die, to: &mut Vec<&'d Vec<Vec<u8>>>) {
    let mut stack = vec![top];
    while let Some(die) = stack.pop() {
        for (_, value) in &die.attrs {
            if let Value::List(list) = value {
                to.push(list);
            }
        }
        stack.extend(die.children.iter().rev());
    }
}

fn number(unit: &Unit, name: u16, value: u64, body: &mut Bytes) -> (u16, i64) {
    // Before DWARF 4, four bytes here would be an offset in `.debug_loc`.
    let loclist = unit.version < 4 && name == at::DATA_MEMBER_LOCATION;
    let wide = matches!(unit.numbers, NumberForm::Wide);
    match unit.numbers {
        NumberForm::Implicit if i64::try_from(value).is_ok() => {
            return (form::IMPLICIT_CONST, value as i64);
        }
        NumberForm::SignedLeb if i64::try_from(value).is_ok() => {
            body.sleb(value as i64);
            return (form::SDATA, 0);
        }
        NumberForm::Leb => {}
        _ if loclist && (wide || value > 0xffff) => {}
        _ => {
            let (form, width) = match value {
                0..=0xff if !wide => (form::DATA1, 1),
                0..=0xffff if !wide => (form::DATA2, 2),
                0..=0xffff_ffff => (form::DATA4, 4),
                _ => (form::DATA8, 8),
            };
            body.number(value, width);
            return (form, 0);
        }
    }
    body.uleb(value);
    (form::UDATA, 0)
}

fn signed(unit: &Unit, name: u16, value: i64, body: &mut Bytes) -> (u16, i64) {
    match unit.numbers {
        NumberForm::Implicit => (form::IMPLICIT_CONST, value),
        NumberForm::SignedLeb => {
            body.sleb(value);
            (form::SDATA, 0)
        }
        _ if value >= 0 => number(unit, name, value as u64, body),
        _ => {
            body.sleb(value);
            (form::SDATA, 0)
        }
    }
}
