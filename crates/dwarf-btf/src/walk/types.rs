//! Types: keys by offset, and classes in the order in which libbpf would come by.
//!
//! A type that only refers is added when it is met, what it refers to first, so that the first
//! one added of a class is the one that libbpf keeps. What lies ahead is read where it lies; a key
//! that was only needed, for a member or a parameter, is marked, and its type is added when its
//! turn comes.

use kmill_btf::Kind;

use crate::class::key::{Hasher, Head, Key, StrKey};
use crate::class::lane::Lane;
use crate::class::table::{Position, Seen};
use crate::dwarf::cursor::Cursor;
use crate::dwarf::sections::Sections;
use crate::features::Features;
use crate::unit::rules::{self, Base};
use crate::walk::compile::{Length, Op, Ops, Role, Uncommon, flag};
use crate::walk::fields::{Order, WINDOW, Window, short_string};
use crate::walk::memory::Memory;

/// How deep types may refer to each other before their turn.
pub(crate) const DEPTH_MAX: u32 = 128;

/// One entry as far as it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'d> {
    pub(crate) op: &'d Op,
    /// The name, when the entry has it in itself.
    pub(crate) inline: StrKey,
    /// Where the fields count from.
    pub(crate) base: usize,
    /// Where the attributes end.
    pub(crate) next: usize,
}

/// A unit that is walked.
#[derive(Debug)]
pub(crate) struct Types<'w, O> {
    /// From the unit's start, and a window's length behind its end.
    pub(crate) data: &'w [u8],
    pub(crate) end: usize,
    pub(crate) ops: &'w Ops,
    pub(crate) memory: &'w mut Memory,
    pub(crate) lane: &'w mut Lane,
    pub(crate) features: &'w Features,
    pub(crate) sections: &'w Sections<'w>,
    pub(crate) number: u32,
    pub(crate) order: std::marker::PhantomData<O>,
}

/// What a walk finds, unless it gives up.
pub(crate) type Walked<T> = Result<T, Uncommon>;

impl<'w, O: Order> Types<'w, O> {
    #[inline(always)]
    pub(crate) fn window(&self, at: usize) -> Walked<&'w Window> {
        let rest = self.data.get(at..).ok_or(Uncommon)?;
        rest.first_chunk::<WINDOW>().ok_or(Uncommon)
    }

    /// The operation of the entry at `at`, and where its attributes start.
    #[inline(always)]
    pub(crate) fn op(&self, at: usize) -> Walked<(&'w Op, usize)> {
        let data = self.data;
        let first = *data.get(at).ok_or(Uncommon)?;
        if first < 0x80 {
            return Ok((self.ops.get(usize::from(first)).ok_or(Uncommon)?, at + 1));
        }
        let second = *data.get(at + 1).ok_or(Uncommon)?;
        if second >= 0x80 {
            return Err(Uncommon);
        }
        let code = usize::from(first & 0x7f) | usize::from(second) << 7;
        Ok((self.ops.get(code).ok_or(Uncommon)?, at + 2))
    }

    /// How far the attributes of an entry go.
    #[inline(always)]
    pub(crate) fn entry(&self, op: &'w Op, start: usize) -> Walked<Entry<'w>> {
        let len = usize::from(op.len);
        match op.length {
            Length::Fixed => Ok(Entry { op, inline: StrKey::NONE, base: start, next: start + len }),
            Length::String => match short_string(self.window(start)?, 0) {
                Some((inline, text)) => {
                    let base = start + text;
                    Ok(Entry { op, inline, base, next: base + len })
                }
                None => Err(Uncommon),
            },
            Length::StringLast => match short_string(self.window(start + len)?, 0) {
                Some((inline, text)) => {
                    Ok(Entry { op, inline, base: start, next: start + len + text })
                }
                None => Err(Uncommon),
            },
            Length::Leb => {
                let mut next = start + len;
                while *self.data.get(next).ok_or(Uncommon)? >= 0x80 {
                    next += 1;
                }
                Ok(Entry { op, inline: StrKey::NONE, base: start, next: next + 1 })
            }
            Length::Walked => self.walked(op, start),
        }
    }

    #[inline(never)]
    pub(crate) fn look(&self, at: usize) -> Walked<Entry<'w>> {
        self.look_here(at)
    }

    /// The same, for loops that look at little else.
    #[inline(always)]
    fn look_here(&self, at: usize) -> Walked<Entry<'w>> {
        let (op, start) = self.op(at)?;
        self.entry(op, start)
    }

    /// The name of an entry as its attribute has it.
    #[inline(always)]
    pub(crate) fn raw_name(&self, entry: &Entry<'_>, window: &Window) -> StrKey {
        match entry.op.name.is_there() {
            true => StrKey::debug_str(entry.op.name.get::<O>(window)),
            false => entry.inline,
        }
    }

    /// The name of a type or a member: an empty one is none.
    #[inline(always)]
    pub(crate) fn name(&self, entry: &Entry<'_>, window: &Window) -> StrKey {
        match self.raw_name(entry, window) {
            StrKey::EMPTY => StrKey::NONE,
            name => name,
        }
    }

    /// The number that an entry has, wherever.
    #[inline(always)]
    fn number(&self, entry: &Entry<'_>, window: &Window) -> u64 {
        let op = entry.op;
        if op.length == Length::Leb {
            let mut cursor = Cursor::new(self.data, entry.base + usize::from(op.len), O::ENDIAN);
            return match op.has(flag::SIGNED_LEB) {
                true => cursor.sleb() as u64,
                false => cursor.uleb(),
            };
        }
        op.number.get::<O>(window).wrapping_add(op.constant as u64)
    }

    fn second(&self, entry: &Entry<'_>, window: &Window) -> u64 {
        entry.op.second.get::<O>(window) + u64::from(entry.op.second_constant)
    }

    /// Where what follows an entry and everything inside starts, when the entry says so.
    #[inline(always)]
    pub(crate) fn sibling(&self, entry: &Entry<'_>) -> Walked<Option<usize>> {
        if !entry.op.sibling.is_there() {
            return Ok(None);
        }
        let at = entry.op.sibling.get::<O>(self.window(entry.base)?) as usize;
        if at <= entry.next || at > self.end { Err(Uncommon) } else { Ok(Some(at)) }
    }

    /// The key of what an entry refers to; types that only refer are added on the way.
    #[inline(always)]
    fn target(&mut self, entry: &Entry<'_>, window: &Window, depth: u32) -> Walked<Key> {
        if !entry.op.ty.is_there() {
            return Ok(Key::VOID);
        }
        let at = entry.op.ty.get::<O>(window) as u32;
        let known = self.memory.get(at);
        if known & (Key::REAL | Key::MARK) == Key::REAL {
            return Ok(Key(known));
        }
        self.ahead(at, depth)
    }

    /// The same for what was not added yet.
    #[inline(never)]
    fn ahead(&mut self, at: u32, depth: u32) -> Walked<Key> {
        if depth > DEPTH_MAX || at as usize >= self.end {
            return Err(Uncommon);
        }
        let entry = self.look(at as usize)?;
        match entry.op.role {
            Role::Pointer
            | Role::Const
            | Role::Volatile
            | Role::Restrict
            | Role::Typedef
            | Role::Array
            | Role::Prototype => Ok(self.reference(at, &entry, depth + 1)?.0),
            _ => self.hash(at, depth + 1),
        }
    }

    /// The key of what an entry refers to; nothing is added.
    #[inline(always)]
    fn hash_target(&mut self, entry: &Entry<'_>, window: &Window, depth: u32) -> Walked<Key> {
        if !entry.op.ty.is_there() {
            return Ok(Key::VOID);
        }
        let at = entry.op.ty.get::<O>(window) as u32;
        match self.memory.get(at) {
            known if known & Key::REAL != 0 => Ok(Key(known & !Key::MARK)),
            _ => self.hash(at, depth),
        }
    }

    /// The key of a type that was not met yet; it is marked, and not added.
    #[inline(never)]
    fn hash(&mut self, at: u32, depth: u32) -> Walked<Key> {
        let known = self.memory.get(at);
        if known & Key::REAL != 0 {
            return Ok(Key(known & !Key::MARK));
        }
        if known != 0 || depth > DEPTH_MAX || at as usize >= self.end {
            return Err(Uncommon);
        }
        let entry = self.look(at as usize)?;
        let op = entry.op;
        let window = self.window(entry.base)?;
        let name = self.name(&entry, window);
        let key = match op.role {
            Role::Named | Role::Declared if name != StrKey::NONE => {
                Key::anchor(composite(op), name)
            }
            Role::NamedEnum if name != StrKey::NONE => {
                Key::anchor(self.enumeration_kind(&entry, window), name)
            }
            Role::Base => {
                let [head, name, third] = self.base(&entry, window)?;
                Hasher::new(Head(head as u32), StrKey(name), third).plain()
            }
            Role::Anonymous => self.members_key(&entry, window, depth)?.0,
            Role::AnonymousEnum => self.values_key(&entry, window)?.0,
            Role::Pointer | Role::Const | Role::Volatile | Role::Restrict | Role::Typedef => {
                let target = self.hash_target(&entry, window, depth + 1)?;
                Hasher::new(head_of(op.role), name, target.0).key()
            }
            Role::Array => {
                let target = self.hash_target(&entry, window, depth + 1)?;
                let (len, _) = self.dimensions(&entry)?;
                array_key(target, len)
            }
            Role::Prototype => {
                let result = self.hash_target(&entry, window, depth + 1)?;
                self.params_key(&entry, result, depth)?
            }
            _ => return Err(Uncommon),
        };
        self.memory.set(at, key.0 | Key::MARK);
        Ok(key)
    }

    /// Adds a type that only refers, after what it refers to. Says where it ends, with everything
    /// inside, when that had to be read.
    pub(crate) fn reference(
        &mut self,
        at: u32,
        entry: &Entry<'w>,
        depth: u32,
    ) -> Walked<(Key, Option<usize>)> {
        let op = entry.op;
        let window = self.window(entry.base)?;
        let mut end = None;
        let key = match op.role {
            Role::Array => {
                self.lane.array.get_or_insert(self.number);
                let target = self.target(entry, window, depth)?;
                let (len, behind) = self.dimensions(entry)?;
                end = Some(behind);
                let key = array_key(target, len);
                if self.lane.table.touch(key, at) == Seen::Never {
                    let entries = [[0, u64::from(len), 0]];
                    self.lane.table.insert(key, at, [ARRAY, 0, target.0], entries);
                }
                key
            }
            Role::Prototype => {
                let result = self.target(entry, window, depth)?;
                let (key, behind) = self.add_params(entry, result, depth)?;
                end = Some(behind);
                if self.lane.table.touch(key, at) == Seen::Never {
                    self.params_entries(entry)?;
                    self.insert(key, at, [PROTOTYPE, 0, result.0])?;
                }
                key
            }
            role => {
                let name = match role {
                    Role::Typedef => self.name(entry, window),
                    _ => StrKey::NONE,
                };
                if role == Role::Typedef && name == StrKey::NONE {
                    return Err(Uncommon);
                }
                let target = self.target(entry, window, depth)?;
                let head = head_of(role);
                let key = Hasher::new(head, name, target.0).key();
                if self.lane.table.touch(key, at) == Seen::Never {
                    self.check(name)?;
                    self.lane.table.insert(key, at, [u64::from(head.0), name.0, target.0], []);
                }
                key
            }
        };
        self.memory.set(at, key.0);
        Ok((key, end))
    }

    /// The same for what is plain, when what it refers to has its key and the class is there:
    /// nearly all there is. Says whether it was so; otherwise nothing happened.
    #[inline(always)]
    pub(crate) fn plain_reference(&mut self, at: u32, op: &Op, start: usize) -> Walked<bool> {
        const KNOWN: u64 = Key::REAL | Key::MARK;
        if self.memory.get(at) & KNOWN == Key::REAL {
            return Ok(true);
        }
        let window = self.window(start)?;
        let target = self.memory.get(op.ty.four::<O>(window));
        if target & KNOWN != Key::REAL {
            return Ok(false);
        }
        let name = match op.role {
            Role::Typedef => StrKey::debug_str(u64::from(op.name.four::<O>(window))),
            _ => StrKey::NONE,
        };
        let key = Hasher::new(head_of(op.role), name, target).plain();
        if self.lane.table.touch(key, at) == Seen::Never {
            return Ok(false);
        }
        self.memory.set(at, key.0);
        Ok(true)
    }

    /// Adds a class that nobody had, with the entries that were read for it.
    fn insert(&mut self, key: Key, at: u32, head: [u64; 3]) -> Walked<()> {
        self.check(StrKey(head[1]))?;
        self.memory.entries.iter().try_for_each(|entry| self.check(StrKey(entry[0])))?;
        self.lane.table.insert(key, at, head, self.memory.entries.drain(..));
        Ok(())
    }

    /// Refuses a name that lies nowhere.
    #[inline(always)]
    pub(crate) fn check(&self, name: StrKey) -> Walked<()> {
        match name.in_debug_str() {
            Some(at) if !self.sections.has_str(at) => Err(Uncommon),
            _ => Ok(()),
        }
    }

    /// The first child of an entry, when it has any.
    fn inside(&self, entry: &Entry<'_>) -> Option<usize> {
        entry.op.has(flag::CHILDREN).then_some(entry.next)
    }

    /// Number of elements, all dimensions in one, and where the array ends.
    fn dimensions(&self, entry: &Entry<'_>) -> Walked<(u32, usize)> {
        let mut len = 1_u32;
        let Some(mut at) = self.inside(entry) else { return Ok((len, entry.next)) };
        let mut count = 0;
        loop {
            let child = self.look(at)?;
            at = child.next;
            match child.op.role {
                Role::Null => return Ok((len, at)),
                Role::Subrange if !child.op.has(flag::CHILDREN) && count < 64 => {
                    count += 1;
                    let op = child.op;
                    let known =
                        op.number.is_there() || op.length == Length::Leb || op.constant != 0;
                    let number = self.number(&child, self.window(child.base)?);
                    let elements = match (known || op.is_bound, op.is_bound) {
                        (false, _) => 0,
                        (true, true) => number.wrapping_add(1),
                        (true, false) => number,
                    };
                    len = len.wrapping_mul(elements as u32);
                }
                _ => return Err(Uncommon),
            }
        }
    }

    /// Adds what the parameters of a prototype refer to, in order. Says its key and where it ends.
    #[inline(always)]
    fn add_params(&mut self, entry: &Entry<'_>, result: Key, depth: u32) -> Walked<(Key, usize)> {
        let mut hasher = Hasher::new(Head(PROTOTYPE as u32), StrKey::NONE, result.0);
        let Some(mut at) = self.inside(entry) else { return Ok((hasher.key(), entry.next)) };
        let mut varargs = false;
        loop {
            let child = self.look_here(at)?;
            at = child.next;
            match child.op.role {
                Role::Parameter if !child.op.has(flag::CHILDREN) => {
                    let window = self.window(child.base)?;
                    let name = self.name(&child, window);
                    let key = self.target(&child, window, depth)?;
                    hasher.entry(name, key.0, 0);
                }
                Role::Null => break,
                Role::VarArgs if !child.op.has(flag::CHILDREN) => varargs = true,
                _ => return Err(Uncommon),
            }
        }
        if varargs {
            hasher.entry(StrKey::NONE, Key::VOID.0, 0);
        }
        Ok((hasher.key(), at))
    }

    /// The parameters of a prototype, each given to `see`; nothing is added.
    fn params(
        &mut self,
        entry: &Entry<'_>,
        depth: u32,
        mut see: impl FnMut(&mut Memory, StrKey, Key),
    ) -> Walked<()> {
        let Some(mut at) = self.inside(entry) else { return Ok(()) };
        let mut varargs = false;
        loop {
            let child = self.look(at)?;
            at = child.next;
            match child.op.role {
                Role::Null => break,
                Role::Parameter if !child.op.has(flag::CHILDREN) => {
                    let window = self.window(child.base)?;
                    let name = self.name(&child, window);
                    let key = self.hash_target(&child, window, depth + 1)?;
                    see(self.memory, name, key);
                }
                Role::VarArgs if !child.op.has(flag::CHILDREN) => varargs = true,
                _ => return Err(Uncommon),
            }
        }
        if varargs {
            see(self.memory, StrKey::NONE, Key::VOID);
        }
        Ok(())
    }

    fn params_key(&mut self, entry: &Entry<'_>, result: Key, depth: u32) -> Walked<Key> {
        let mut hasher = Hasher::new(Head(PROTOTYPE as u32), StrKey::NONE, result.0);
        self.params(entry, depth, |_, name, key| hasher.entry(name, key.0, 0))?;
        Ok(hasher.key())
    }

    fn params_entries(&mut self, entry: &Entry<'_>) -> Walked<()> {
        self.params(entry, DEPTH_MAX, |memory, name, key| memory.entries.push([name.0, key.0, 0]))
    }

    /// The head of a structure or union, and its members, each given to `see`. Says where it ends.
    #[inline(always)]
    fn members(
        &mut self,
        entry: &Entry<'_>,
        window: &Window,
        depth: u32,
        mut see: impl FnMut(&mut Memory, StrKey, u64, u64),
    ) -> Walked<([u64; 3], usize)> {
        let name = self.name(entry, window);
        let size = self.number(entry, window) & 0xffff_ffff;
        let is_union = entry.op.has(flag::UNION);
        let mut bit_fields = false;
        let mut at = entry.next;
        if entry.op.has(flag::CHILDREN) {
            loop {
                // Nearly all members are plain: what they are is decided at a glance.
                let (op, start) = self.op(at)?;
                if op.plain_member {
                    let window = self.window(start)?;
                    at = start + usize::from(op.len);
                    let known = self.memory.get(op.ty.four::<O>(window));
                    let key = match known & Key::REAL {
                        0 => self.hash(op.ty.four::<O>(window), depth + 1)?.0,
                        _ => known & !Key::MARK,
                    };
                    let name = StrKey::debug_str(u64::from(op.name.four::<O>(window)));
                    // Its place is in whole bytes, so this is its offset word.
                    let number = op.number.get::<O>(window).wrapping_add(op.constant as u64);
                    let offset = (number as u32).wrapping_mul(8);
                    if is_union && offset != 0 {
                        return Err(Uncommon);
                    }
                    see(self.memory, name, key, u64::from(offset));
                    continue;
                }
                let child = self.entry(op, start)?;
                at = child.next;
                match op.role {
                    Role::Member if op.ty.is_there() => {
                        let window = self.window(child.base)?;
                        let key = self.hash_target(&child, window, depth + 1)?;
                        if key == Key::VOID {
                            return Err(Uncommon);
                        }
                        let name = self.name(&child, window);
                        let (offset, is_bit_field) = self.member_word(&child, window, is_union)?;
                        bit_fields |= is_bit_field;
                        see(self.memory, name, key.0, u64::from(offset));
                    }
                    Role::Null => break,
                    _ => return Err(Uncommon),
                }
            }
        }
        let head = Head::new(composite(entry.op), bit_fields);
        Ok(([u64::from(head.0), name.0, size], at))
    }

    /// The key of a structure or union, and where it ends.
    #[inline(never)]
    pub(crate) fn members_key(
        &mut self,
        entry: &Entry<'_>,
        window: &Window,
        depth: u32,
    ) -> Walked<(Key, usize)> {
        // The head comes last: members say whether it is one with bit fields.
        let mut hasher = Hasher::entries();
        let see = |_: &mut Memory, name, key, offset| hasher.entry(name, key, offset);
        let (head, end) = self.members(entry, window, depth, see)?;
        Ok((hasher.with_head(Head(head[0] as u32), StrKey(head[1]), head[2]), end))
    }

    /// The head of a structure or union, and its members as entries.
    #[inline(never)]
    fn members_entries(&mut self, entry: &Entry<'_>, window: &Window) -> Walked<[u64; 3]> {
        let see = |memory: &mut Memory, name: StrKey, key, offset| {
            memory.entries.push([name.0, key, offset]);
        };
        Ok(self.members(entry, window, DEPTH_MAX, see)?.0)
    }

    #[inline(always)]
    fn member_word(
        &self,
        child: &Entry<'_>,
        window: &Window,
        is_union: bool,
    ) -> Walked<(u32, bool)> {
        let number = self.number(child, window) as u32;
        let bits = if child.op.in_bits { number } else { number.wrapping_mul(8) };
        let size = u32::from(self.second(child, window) as u8);
        // A bit field that is placed by its bytes is one of DWARF 2.
        if size != 0 && !child.op.in_bits {
            return Err(Uncommon);
        }
        rules::member(is_union, bits, size).map_err(|_| Uncommon)
    }

    /// The head of an enumeration, and its values, each given to `see`. Says where it ends.
    #[inline(always)]
    fn values(
        &mut self,
        entry: &Entry<'_>,
        window: &Window,
        mut see: impl FnMut(&mut Memory, StrKey, u64),
    ) -> Walked<([u64; 3], usize)> {
        let name = self.name(entry, window);
        let size = self.number(entry, window);
        let bits = if size == 0 { 32 } else { size.saturating_mul(8) };
        let signed = bits > 32 && self.names_signed_base(entry, window)?;
        let form = rules::enumeration(bits, signed, self.features).map_err(|_| Uncommon)?;
        let (kind, size, mut is_signed) = form;
        let mut at = entry.next;
        if entry.op.has(flag::CHILDREN) {
            loop {
                let child = self.look_here(at)?;
                at = child.next;
                match child.op.role {
                    Role::Enumerator if !child.op.has(flag::CHILDREN) => {
                        let window = self.window(child.base)?;
                        let label = self.name(&child, window);
                        let value = self.number(&child, window);
                        let value =
                            rules::value(kind, value, self.features).map_err(|_| Uncommon)?;
                        if label == StrKey::NONE {
                            return Err(Uncommon);
                        }
                        is_signed |= value.1;
                        see(self.memory, label, value.0);
                    }
                    Role::Null => break,
                    _ => return Err(Uncommon),
                }
            }
        }
        let head = Head::new(kind, is_signed);
        Ok(([u64::from(head.0), name.0, u64::from(size)], at))
    }

    /// The key of an enumeration, and where it ends.
    #[inline(never)]
    pub(crate) fn values_key(
        &mut self,
        entry: &Entry<'_>,
        window: &Window,
    ) -> Walked<(Key, usize)> {
        let mut hasher = Hasher::entries();
        let see = |_: &mut Memory, name, value| hasher.entry(name, value, 0);
        let (head, end) = self.values(entry, window, see)?;
        Ok((hasher.with_head(Head(head[0] as u32), StrKey(head[1]), head[2]), end))
    }

    /// The head of an enumeration, and its values as entries.
    #[inline(never)]
    fn values_entries(&mut self, entry: &Entry<'_>, window: &Window) -> Walked<[u64; 3]> {
        let see = |memory: &mut Memory, name: StrKey, value| {
            memory.entries.push([name.0, value, 0]);
        };
        Ok(self.values(entry, window, see)?.0)
    }

    fn enumeration_kind(&self, entry: &Entry<'_>, window: &Window) -> Kind {
        rules::enumeration_kind(self.number(entry, window), self.features)
    }

    fn names_signed_base(&self, entry: &Entry<'_>, window: &Window) -> Walked<bool> {
        use crate::dwarf::constants::ate;
        if !entry.op.ty.is_there() {
            return Ok(false);
        }
        let base = self.look(entry.op.ty.get::<O>(window) as usize)?;
        if base.op.role != Role::Base {
            return Ok(false);
        }
        let encoding = self.second(&base, self.window(base.base)?);
        Ok(matches!(encoding, ate::SIGNED | ate::SIGNED_CHAR))
    }

    fn base(&self, entry: &Entry<'_>, window: &Window) -> Walked<[u64; 3]> {
        let (size, encoding) = (self.number(entry, window), self.second(entry, window));
        let name = self.name(entry, window);
        let base = rules::base(encoding, size, self.features).map_err(|_| Uncommon)?;
        let (kind, name, size, encoding) = match base {
            Base::Int { size, encoding } => (Kind::Int, name, size, encoding),
            Base::FakeInt { encoding } => (Kind::Int, StrKey::FAKE_INT, 4, encoding),
            Base::Float { size } => (Kind::Float, name, size, 0),
        };
        if name == StrKey::NONE {
            return Err(Uncommon);
        }
        let head = Head::new(kind, false);
        Ok([u64::from(head.0), name.0, u64::from(encoding) << 32 | u64::from(size)])
    }

    /// A type whose turn has come. Says where the walk goes on, when it is not at its children.
    #[inline(always)]
    pub(crate) fn turn(&mut self, at: u32, entry: &Entry<'w>) -> Walked<Option<usize>> {
        let known = self.memory.get(at);
        if known & (Key::REAL | Key::MARK) == Key::REAL {
            return self.sibling(entry);
        }
        let role = entry.op.role;
        match role {
            Role::Pointer | Role::Const | Role::Volatile | Role::Restrict | Role::Typedef => {
                Ok(self.reference(at, entry, 0)?.1)
            }
            Role::Array | Role::Prototype => Ok(self.reference(at, entry, 0)?.1),
            Role::Named | Role::Declared | Role::NamedEnum => self.named(at, entry),
            _ => self.unnamed(at, entry),
        }
    }

    fn named(&mut self, at: u32, entry: &Entry<'w>) -> Walked<Option<usize>> {
        let op = entry.op;
        let window = self.window(entry.base)?;
        let name = self.name(entry, window);
        if name == StrKey::NONE {
            return Err(Uncommon);
        }
        let kind = match op.role {
            Role::NamedEnum => self.enumeration_kind(entry, window),
            _ => composite(op),
        };
        let defines = op.role != Role::Declared;
        let key = self.lane.table.anchor(kind, name, at, defines);
        self.memory.set(at, key.0);
        if defines {
            self.memory.bodies.push(at);
        } else {
            let head = Head::new(Kind::Fwd, kind == Kind::Union);
            let key = Hasher::new(head, name, 0).key();
            if self.lane.table.touch(key, at) == Seen::Never {
                self.check(name)?;
                self.lane.table.insert(key, at, [u64::from(head.0), name.0, 0], []);
            }
        }
        self.sibling(entry)
    }

    fn unnamed(&mut self, at: u32, entry: &Entry<'w>) -> Walked<Option<usize>> {
        let op = entry.op;
        let window = self.window(entry.base)?;
        let (key, end) = match op.role {
            Role::Base => {
                let [head, name, third] = self.base(entry, window)?;
                let key = Hasher::new(Head(head as u32), StrKey(name), third).plain();
                if self.lane.int.is_none() {
                    self.int(at, StrKey(name), key);
                }
                (key, entry.next)
            }
            Role::Anonymous => self.members_key(entry, window, 0)?,
            Role::AnonymousEnum => self.values_key(entry, window)?,
            _ => return Err(Uncommon),
        };
        self.whole(at, entry, key)?;
        self.memory.set(at, key.0);
        if op.role == Role::Anonymous {
            self.lane.table.anonymous(key);
        }
        Ok(Some(end))
    }

    /// Adds a type whose key is that of its content.
    #[inline(always)]
    fn whole(&mut self, at: u32, entry: &Entry<'_>, key: Key) -> Walked<()> {
        if self.lane.table.touch(key, at) == Seen::Never {
            let window = self.window(entry.base)?;
            let head = match entry.op.role {
                Role::Base => self.base(entry, window)?,
                Role::NamedEnum | Role::AnonymousEnum => self.values_entries(entry, window)?,
                _ => self.members_entries(entry, window)?,
            };
            self.insert(key, at, head)?;
        }
        Ok(())
    }

    /// Whether a base type is the one that arrays are indexed with; asked until one is.
    #[cold]
    fn int(&mut self, at: u32, name: StrKey, key: Key) {
        let is_int = match name.in_debug_str() {
            Some(at) => self.sections.str_at(at) == Some(b"int"),
            None => name == StrKey::packed(u64::from_le_bytes(*b"int\0\0\0\0\0")),
        };
        if is_int {
            let position = Position { unit: self.number, order: at };
            self.lane.int = Some((position, key));
        }
    }

    /// Reads what has a name, now that every key is known.
    pub(crate) fn bodies(&mut self) -> Walked<()> {
        for index in 0..self.memory.bodies.len() {
            let at = self.memory.bodies[index];
            let entry = self.look(at as usize)?;
            let window = self.window(entry.base)?;
            let (key, _) = match entry.op.role {
                Role::NamedEnum => self.values_key(&entry, window)?,
                _ => self.members_key(&entry, window, DEPTH_MAX)?,
            };
            self.whole(at, &entry, key)?;
        }
        Ok(())
    }
}

const ARRAY: u64 = Head::new(Kind::Array, false).0 as u64;
const PROTOTYPE: u64 = Head::new(Kind::FuncProto, false).0 as u64;

fn array_key(target: Key, len: u32) -> Key {
    let mut hasher = Hasher::new(Head(ARRAY as u32), StrKey::NONE, target.0);
    hasher.entry(StrKey::NONE, u64::from(len), 0);
    hasher.key()
}

pub(crate) fn composite(op: &Op) -> Kind {
    if op.has(flag::UNION) { Kind::Union } else { Kind::Struct }
}

#[inline(always)]
fn head_of(role: Role) -> Head {
    match role {
        Role::Const => const { Head::new(Kind::Const, false) },
        Role::Volatile => const { Head::new(Kind::Volatile, false) },
        Role::Restrict => const { Head::new(Kind::Restrict, false) },
        Role::Typedef => const { Head::new(Kind::Typedef, false) },
        _ => const { Head::new(Kind::Ptr, false) },
    }
}
