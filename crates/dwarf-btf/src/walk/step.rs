//! Steps over entries that a look at one window does not measure: attribute by attribute, or child
//! by child.

use crate::class::key::StrKey;
use crate::dwarf::cursor::Cursor;
use crate::walk::compile::{Op, Role, Step, Uncommon, flag};
use crate::walk::fields::{Order, short_string};
use crate::walk::types::{Entry, Types, Walked};

impl<'w, O: Order> Types<'w, O> {
    #[cold]
    #[inline(never)]
    pub(crate) fn walked(&self, op: &'w Op, start: usize) -> Walked<Entry<'w>> {
        let mut cursor = Cursor::new(self.data, start, O::ENDIAN);
        let mut entry = Entry { op, inline: StrKey::NONE, base: start, next: start };
        for step in self.ops.steps(op) {
            match step {
                Step::Bytes(count) => cursor.skip(u64::from(*count)),
                Step::Leb => {
                    cursor.uleb();
                }
                Step::String if cursor.at == start && op.has(flag::INLINE_NAME) => {
                    let (inline, len) = short_string(self.window(start)?, 0).ok_or(Uncommon)?;
                    entry.inline = inline;
                    entry.base = start + len;
                    cursor.at = entry.base;
                }
                Step::String => {
                    cursor.string();
                }
                Step::Block => {
                    let len = cursor.uleb();
                    cursor.skip(len);
                }
                Step::Block1 => {
                    let len = cursor.u8();
                    cursor.skip(u64::from(len));
                }
                Step::Block2 => {
                    let len = cursor.u16();
                    cursor.skip(u64::from(len));
                }
                Step::Block4 => {
                    let len = cursor.u32();
                    cursor.skip(u64::from(len));
                }
            }
        }
        if cursor.at > self.end {
            return Err(Uncommon);
        }
        entry.next = cursor.at;
        Ok(entry)
    }

    /// Where what follows an entry and everything inside starts.
    pub(crate) fn behind(&self, entry: &Entry<'_>) -> Walked<usize> {
        if let Some(at) = self.sibling(entry)? {
            return Ok(at);
        }
        let (mut at, mut depth) = (entry.next, 1_u32);
        while depth > 0 {
            if at >= self.end {
                return Err(Uncommon);
            }
            let inside = self.look(at)?;
            at = inside.next;
            match inside.op.role {
                Role::Null => depth -= 1,
                _ => depth += u32::from(inside.op.has(flag::CHILDREN)),
            }
        }
        Ok(at)
    }
}
