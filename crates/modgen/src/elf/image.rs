//! Lays the sections out and writes the file; the one place that knows where a [`Damage`] bites.

use super::arch::{Class, Encoder, Endian};
use super::damage::{Damage, Section};
use super::module::{Module, module_name};
use super::symbols::{self, VERSION_ENTRY};

/// What the header of the file says; damages change it before it is written.
struct Header {
    shoff: u64,
    shentsize: u16,
    shnum: u16,
    shstrndx: u16,
}

/// A section with its place in the file.
struct Placed {
    kind: Section,
    data: Vec<u8>,
    name: u32,
    link: u32,
    info: u32,
    offset: u64,
    size: u64,
}

impl Module {
    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write(self)
    }
}

/// The bytes of `module`, damaged as it asks.
fn write(module: &Module) -> Vec<u8> {
    let has = |damage| module.damage.contains(&damage);

    let mut placed = sections(module);
    let ehdr = module.class.ehdr();
    let mut body = vec![0; ehdr];
    for section in &mut placed {
        body.resize(body.len().next_multiple_of(alignment(section.kind, module.class)), 0);
        section.offset = body.len() as u64;
        section.size = section.data.len() as u64;
        body.extend(&section.data);
    }
    body.resize(body.len().next_multiple_of(8), 0);

    let count = u16::try_from(placed.len() + 1).unwrap_or(u16::MAX);
    let table = usize::from(count) * module.class.shdr();
    let file_len = (body.len() + table) as u64;
    let name_table = placed.iter().position(|section| section.kind == Section::Shstrtab);
    let mut header = Header {
        shoff: body.len() as u64,
        shentsize: u16::try_from(module.class.shdr()).unwrap_or(0),
        shnum: count,
        shstrndx: name_table.map_or(0, |index| u16::try_from(index + 1).unwrap_or(0)),
    };

    for damage in &module.damage {
        damage_headers(*damage, &mut header, &mut placed, file_len);
    }

    let mut out = Encoder::new(module.class, module.endian);
    file_header(&mut out, module.machine, &header);
    body[..ehdr].copy_from_slice(&out.out);
    out.out = body;
    section_header(&mut out, None);
    for section in &placed {
        section_header(&mut out, Some(section));
    }
    let mut file = out.out;
    if let Some(bytes) = module.signature {
        sign(&mut file, bytes);
    }

    if has(Damage::BadClass) {
        file[4] = 3;
    }
    if has(Damage::BadData) {
        file[5] = 0;
    }
    for damage in &module.damage {
        match *damage {
            Damage::Empty => file.clear(),
            Damage::Truncated(len) => file.truncate(len),
            Damage::Garbage => {
                let len = file.len();
                file = noise(len, 1);
                // Not even by chance a known magic number.
                file.iter_mut().take(1).for_each(|first| *first = b'?');
            }
            _ => {}
        }
    }
    file
}

/// The sections in file order with their contents, but not yet placed.
fn sections(module: &Module) -> Vec<Placed> {
    let mut kinds = vec![Section::Text, Section::Modinfo];
    let versions = symbols::versions(module);
    let crcs = symbols::kcrctab(module);
    if !module.exports.is_empty() {
        kinds.push(Section::KsymtabStrings);
    }
    if !crcs.is_empty() {
        kinds.push(Section::Kcrctab);
    }
    if !versions.is_empty() {
        kinds.push(Section::Versions);
    }
    if module.rodata > 0 {
        kinds.push(Section::Rodata);
    }
    kinds.extend([Section::Symtab, Section::Strtab]);
    for damage in &module.damage {
        if let Damage::Missing(kind) = damage {
            kinds.retain(|present| present != kind);
        }
    }
    let originals = kinds.len();
    for damage in &module.damage {
        if let Damage::Duplicate(kind) = damage
            && (kinds.contains(kind) || *kind == Section::Shstrtab)
        {
            kinds.push(*kind);
        }
    }
    let without_names = module.damage.contains(&Damage::Missing(Section::Shstrtab));
    if !without_names {
        // The real name table goes before its duplicate, so that the first one is the one used.
        kinds.insert(originals, Section::Shstrtab);
    }

    let index = |wanted: Section| {
        let found = kinds.iter().position(|kind| *kind == wanted);
        found.map_or(0, |index| u16::try_from(index + 1).unwrap_or(0))
    };
    let tables = symbols::symbol_tables(module, index);
    let (names, offsets) = section_names(&kinds);

    let mut seen = Vec::new();
    let mut placed = Vec::new();
    for (&kind, name) in kinds.iter().zip(offsets) {
        let duplicate = seen.contains(&kind);
        seen.push(kind);
        let data = match kind {
            _ if duplicate => decoy(module, kind),
            Section::Text => vec![0xc3; 32],
            Section::Modinfo => modinfo(module),
            Section::KsymtabStrings => symbols::ksymtab_strings(module),
            Section::Kcrctab => crcs.clone(),
            Section::Versions => versions.clone(),
            Section::Rodata => noise(module.rodata, module.name.len() as u64 + 7),
            Section::Symtab => tables.symtab.clone(),
            Section::Strtab => tables.strtab.clone(),
            Section::Shstrtab => names.clone(),
        };
        let symtab = kind == Section::Symtab;
        let link = if symtab { u32::from(index(Section::Strtab)) } else { 0 };
        let info = if symtab { tables.locals } else { 0 };
        let mut section = Placed { kind, data, name, link, info, offset: 0, size: 0 };
        if !duplicate {
            for damage in &module.damage {
                damage_content(module, *damage, &mut section, tables.strtab.len());
            }
        }
        placed.push(section);
    }
    placed
}

/// `.shstrtab`, and where each section's name begins in it.
fn section_names(kinds: &[Section]) -> (Vec<u8>, Vec<u32>) {
    let mut names = vec![0];
    let mut offsets = Vec::new();
    for kind in kinds {
        offsets.push(u32::try_from(names.len()).unwrap_or(0));
        names.extend(kind.name().bytes());
        names.push(0);
    }
    (names, offsets)
}

/// What the second of two equally named sections holds: something a reader must not find.
fn decoy(module: &Module, kind: Section) -> Vec<u8> {
    match kind {
        Section::Modinfo => b"alias=modgen:duplicate-section\0".to_vec(),
        Section::KsymtabStrings => b"modgen_duplicate_section\0\0".to_vec(),
        Section::Versions => symbols::version_entry(module, "modgen_duplicate_section", 1),
        Section::Symtab => vec![0; module.class.sym()],
        Section::Strtab | Section::Shstrtab => vec![0],
        Section::Text | Section::Kcrctab | Section::Rodata => vec![0; 8],
    }
}

/// `.modinfo`: the entries in the order given, then what the kernel build adds.
fn modinfo(module: &Module) -> Vec<u8> {
    let mut entries = module.modinfo.clone();
    if module.modinfo_tail {
        let given = |key: &[u8]| module.modinfo.iter().any(|entry| entry.starts_with(key));
        for (key, value) in [("license=", "GPL"), ("depends=", "")] {
            if !given(key.as_bytes()) {
                entries.push(format!("{key}{value}").into_bytes());
            }
        }
        entries.push(b"intree=Y".to_vec());
        entries.push(format!("name={}", module_name(&module.name)).into_bytes());
        entries.push(format!("vermagic={}", module.vermagic).into_bytes());
    }
    let mut out = vec![0; module.modinfo_padding];
    for entry in entries {
        out.extend(entry);
        out.push(0);
        out.resize(out.len() + module.modinfo_padding, 0);
    }
    out
}

/// Damages that change what a section holds.
fn damage_content(module: &Module, damage: Damage, section: &mut Placed, strtab_len: usize) {
    match damage {
        Damage::Unterminated(Section::Versions) if section.kind == Section::Versions => {
            let last = section.data.len().saturating_sub(VERSION_ENTRY);
            let name = last + module.class.word();
            section.data.iter_mut().skip(name).filter(|byte| **byte == 0).for_each(|b| *b = b'X');
        }
        Damage::Unterminated(kind) if kind == section.kind => {
            section.data.iter_mut().next_back().into_iter().for_each(|byte| *byte = b'X');
        }
        Damage::Partial(kind) if kind == section.kind => section.data.push(0),
        Damage::SymbolNameOutside if section.kind == Section::Symtab => {
            let mut name = Encoder::new(module.class, module.endian);
            name.u32(u32::try_from(strtab_len + 64).unwrap_or(u32::MAX));
            let last = section.data.len() - module.class.sym();
            section.data[last..last + 4].copy_from_slice(&name.out);
        }
        _ => {}
    }
}

/// Damages that change what the headers say.
fn damage_headers(damage: Damage, header: &mut Header, placed: &mut [Placed], file_len: u64) {
    match damage {
        Damage::HeadersOutside => header.shoff = file_len,
        Damage::HeadersOverflow => header.shoff = u64::MAX,
        Damage::WrongEntrySize => header.shentsize += 1,
        Damage::NoSections => header.shnum = 0,
        Damage::NameTableIndexTooLarge => header.shstrndx = header.shnum,
        Damage::NameTableIndexZero => header.shstrndx = 0,
        Damage::NoContent(kind)
        | Damage::Outside(kind)
        | Damage::Overflow(kind)
        | Damage::NameOutside(kind) => {
            let Some(section) = placed.iter_mut().find(|section| section.kind == kind) else {
                return;
            };
            match damage {
                Damage::NoContent(_) => section.size = 0,
                Damage::Outside(_) => section.offset = file_len,
                Damage::Overflow(_) => section.offset = u64::MAX,
                _ => section.name = 0x00ff_ffff,
            }
        }
        _ => {}
    }
}

fn file_header(out: &mut Encoder, machine: u16, header: &Header) {
    let class = if out.class == Class::Elf32 { 1 } else { 2 };
    let data = if out.endian == Endian::Little { 1 } else { 2 };
    out.out.extend([0x7f, b'E', b'L', b'F', class, data, 1, 0]);
    out.out.extend([0; 8]);
    out.u16(1); // e_type: ET_REL
    out.u16(machine);
    out.u32(1); // e_version
    out.word(0); // e_entry
    out.word(0); // e_phoff
    out.word(header.shoff);
    out.u32(0); // e_flags
    out.u16(u16::try_from(out.class.ehdr()).unwrap_or(0));
    out.u16(0); // e_phentsize
    out.u16(0); // e_phnum
    out.u16(header.shentsize);
    out.u16(header.shnum);
    out.u16(header.shstrndx);
}

fn section_header(out: &mut Encoder, section: Option<&Placed>) {
    let Some(section) = section else {
        // Header 0 is all zeros.
        let end = out.out.len() + out.class.shdr();
        out.out.resize(end, 0);
        return;
    };
    let (kind, flags, entry) = match section.kind {
        Section::Text => (1, 6, 0),
        Section::Modinfo
        | Section::KsymtabStrings
        | Section::Kcrctab
        | Section::Versions
        | Section::Rodata => (1, 2, 0),
        Section::Symtab => (2, 0, out.class.sym() as u64),
        Section::Strtab | Section::Shstrtab => (3, 0, 0),
    };
    out.u32(section.name);
    out.u32(kind);
    out.word(flags);
    out.word(0); // sh_addr
    out.word(section.offset);
    out.word(section.size);
    out.u32(section.link);
    out.u32(section.info);
    out.word(alignment(section.kind, out.class) as u64);
    out.word(entry);
}

fn alignment(kind: Section, class: Class) -> usize {
    match kind {
        Section::Text => 16,
        Section::Versions | Section::Rodata => 32,
        Section::Symtab => class.word(),
        Section::Kcrctab => 4,
        Section::Modinfo | Section::KsymtabStrings | Section::Strtab | Section::Shstrtab => 1,
    }
}

/// `len` bytes that compress to roughly a third, as code does: 16-byte pieces drawn from 256.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = crate::rng::Rng::new(seed);
    let pieces: Vec<[u64; 2]> = (0..256).map(|_| [random.next_u64(), random.next_u64()]).collect();
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        let piece = pieces[random.below(pieces.len())];
        out.extend(piece[0].to_le_bytes());
        out.extend(piece[1].to_le_bytes());
        if random.chance(1, 2) {
            out.extend(random.next_u64().to_le_bytes());
        }
    }
    out.truncate(len);
    out
}

/// Appends `bytes` of signature, the 12-byte description of it, and the marker line.
fn sign(file: &mut Vec<u8>, bytes: usize) {
    // A DER sequence header makes the noise look like the PKCS#7 message it stands for.
    let mut signature = noise(bytes, 3);
    for (byte, der) in signature.iter_mut().zip([0x30, 0x82]) {
        *byte = der;
    }
    file.extend(signature);
    // algo, hash, id_type = PKCS#7, signer_len, key_id_len, three of padding; then the length,
    // big-endian on every machine.
    file.extend([0, 0, 2, 0, 0, 0, 0, 0]);
    file.extend(u32::try_from(bytes).unwrap_or(0).to_be_bytes());
    file.extend(b"~Module signature appended~\n");
}
