//! Attributes of declarations and types, which compilers say in two ways.
//!
//! LLVM puts an entry inside of what it is about. GCC (since 16) puts it elsewhere in the unit:
//! what it is about refers to it, and it to the next one, so that several declarations can share
//! the end of a list. The first is read always; the second when it is asked for, as by pahole
//! later than 1.31.

use std::ops::Range;

use super::{Die, Loader};
use crate::dwarf::attrs::{self, Attrs};
use crate::dwarf::constants::tag;
use crate::dwarf::cursor::Cursor;
use crate::error::EncodeError;
use crate::unit::model::{Annotation, CoreId, DieOffset, Shape};

/// Longer lists go in a circle.
const LIST_MAX: usize = 256;

impl<'a> Loader<'_, 'a> {
    pub(super) fn is_annotation(&self, tag: u16) -> bool {
        tag == tag::LLVM_ANNOTATION || tag == tag::GNU_ANNOTATION && self.context.gnu_annotations
    }

    /// The value of an attribute of that name, appended when it is asked for.
    pub(super) fn annotation(
        &self,
        die: &Die<'a>,
        kind: &str,
        component: i32,
        to: &mut Vec<Annotation<'a>>,
    ) {
        if !self.context.decl_tags || self.name(&die.attrs) != Some(kind.as_bytes()) {
            return;
        }
        if let Some(value) = self.annotation_value(die) {
            to.push(Annotation { value, component });
        }
    }

    fn annotation_value(&self, die: &Die<'a>) -> Option<&'a [u8]> {
        attrs::string(die.attrs.const_value, self.context.sections, self.header, &self.bases)
    }

    /// The attributes inside an entry that has no other children that count.
    pub(super) fn annotations_inside(
        &mut self,
        die: &Die<'a>,
        component: i32,
        to: &mut Vec<Annotation<'a>>,
    ) -> Result<(), EncodeError> {
        if !die.has_children {
            return Ok(());
        }
        while let Some(child) = self.next()? {
            if self.is_annotation(child.tag) {
                self.annotation(&child, "btf_decl_tag", component, to);
            }
            self.skip_children(&child)?;
        }
        Ok(())
    }

    pub(super) fn annotated(&mut self, die: &Die<'a>) -> Result<Range<u32>, EncodeError> {
        let mut annotations = Vec::new();
        self.annotations_inside(die, -1, &mut annotations)?;
        Ok(self.keep(annotations))
    }

    pub(super) fn keep(&mut self, annotations: Vec<Annotation<'a>>) -> Range<u32> {
        let start = self.unit.annotations.len() as u32;
        self.unit.annotations.extend(annotations);
        start..self.unit.annotations.len() as u32
    }

    /// The attributes of a declaration that it refers to.
    pub(super) fn annotations_behind(
        &self,
        die: &Die<'a>,
        component: i32,
        to: &mut Vec<Annotation<'a>>,
    ) -> Result<(), EncodeError> {
        for found in self.list(die)? {
            self.annotation(&found, "btf_decl_tag", component, to);
        }
        Ok(())
    }

    /// The entries of the list that begins at an entry. One in another unit ends it.
    fn list(&self, die: &Die<'a>) -> Result<Vec<Die<'a>>, EncodeError> {
        let mut list: Vec<Die<'a>> = Vec::new();
        if !self.context.gnu_annotations {
            return Ok(list);
        }
        let mut next = attrs::reference(die.attrs.gnu_annotation);
        while let Some(found) = next.and_then(|offset| self.entry_at(offset)) {
            if found.tag != tag::GNU_ANNOTATION {
                break;
            }
            if list.len() == LIST_MAX {
                let at = die.offset.0 as usize;
                return Err(self.error(at, "annotations that go in a circle"));
            }
            next = attrs::reference(found.attrs.gnu_annotation);
            list.push(found);
        }
        Ok(list)
    }

    /// An entry of the unit by its offset.
    fn entry_at(&self, offset: u64) -> Option<Die<'a>> {
        let range = self.header.entries as u64..self.header.end as u64;
        if !range.contains(&offset) {
            return None;
        }
        let mut cursor = Cursor { at: offset as usize, ..self.cursor };
        let abbrev = self.abbrevs.get(cursor.uleb())?;
        let attrs = Attrs::read(&mut cursor, self.header, self.abbrevs.specs(abbrev)).ok()?;
        let (tag, has_children) = (abbrev.tag, abbrev.has_children);
        (!cursor.overran()).then_some(Die { offset: DieOffset(offset), tag, has_children, attrs })
    }

    /// A pointer, and in front of it the attributes of what it points to. Of those inside, the last
    /// is next to the pointer; of those that it refers to, the first is.
    pub(super) fn pointer(
        &mut self,
        die: Die<'a>,
        target: Option<DieOffset>,
    ) -> Result<(), EncodeError> {
        let mut tags = Vec::new();
        if die.has_children {
            while let Some(child) = self.next()? {
                let counts = self.is_annotation(child.tag) && self.context.type_tags;
                tags.extend(if counts { self.type_tag(&child) } else { None });
                self.skip_children(&child)?;
            }
        }
        // From the pointer to its target.
        tags.reverse();
        if tags.is_empty() && self.context.type_tags {
            for found in self.list(&die)? {
                if self.name(&found.attrs) != Some(b"btf_type_tag") {
                    break;
                }
                tags.extend(self.type_tag(&found));
            }
        }
        let id = self.push(&die, Shape::Pointer, if tags.is_empty() { target } else { None }, 0..0);
        let mut before = id;
        for id in &tags {
            self.unit.types[before.0 as usize - 1].target_id = *id;
            before = *id;
        }
        if !tags.is_empty() {
            self.unit.types[before.0 as usize - 1].target = target;
        }
        Ok(())
    }

    /// Appends the type that an annotation is, if it is one of a type.
    fn type_tag(&mut self, die: &Die<'a>) -> Option<CoreId> {
        if self.name(&die.attrs) != Some(b"btf_type_tag") {
            return None;
        }
        let value = self.annotation_value(die)?;
        let id = self.push(die, Shape::TypeTag { value }, None, 0..0);
        // The name is that of the attribute.
        self.unit.types[id.0 as usize - 1].name = None;
        Some(id)
    }
}
