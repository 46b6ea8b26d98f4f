//! What each unit had of a worker's classes, for when copies matter: eight bytes for each of its types.
//!
//! Most units have a class once. Then the class says all about the copy but where it is, and nobody has
//! to read the unit again.

use crate::class::index::ClassId;

/// The types of units, one unit behind another.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: bool,
    /// Each class that a unit has, and where its first copy is.
    classes: Vec<(ClassId, u32)>,
    /// Those that it has more than once.
    several: Vec<ClassId>,
    units: Vec<End>,
}

/// Where the notes of a unit end.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    unit: u32,
    classes: usize,
    several: usize,
}

/// How far notes were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    classes: usize,
    several: usize,
    units: usize,
}

/// What was noted of one unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<'n> {
    pub(crate) classes: &'n [(ClassId, u32)],
    pub(crate) several: &'n [ClassId],
}

impl Notes {
    /// Forgets everything but memory. `kept` is whether anybody is going to ask.
    pub(crate) fn clear(&mut self, kept: bool) {
        self.kept = kept;
        self.classes.clear();
        self.several.clear();
        self.units.clear();
    }

    /// A type of the unit that is read, the first of its class there.
    #[inline(always)]
    pub(crate) fn add(&mut self, class: impl FnOnce() -> ClassId, order: u32) {
        if self.kept {
            self.classes.push((class(), order));
        }
    }

    /// Another one.
    pub(crate) fn add_several(&mut self, class: ClassId) {
        if self.kept {
            self.several.push(class);
        }
    }

    /// The unit is done.
    pub(crate) fn end(&mut self, unit: u32) {
        if self.kept {
            let (classes, several) = (self.classes.len(), self.several.len());
            self.units.push(End { unit, classes, several });
        }
    }

    /// How far it is.
    pub(crate) fn mark(&self) -> Mark {
        let (classes, several) = (self.classes.len(), self.several.len());
        Mark { classes, several, units: self.units.len() }
    }

    /// Forgets what came since.
    pub(crate) fn forget(&mut self, mark: Mark) {
        self.classes.truncate(mark.classes);
        self.several.truncate(mark.several);
        self.units.truncate(mark.units);
    }

    /// What was noted of a unit.
    pub(crate) fn of(&self, unit: u32) -> Option<Noted<'_>> {
        let index = self.units.binary_search_by_key(&unit, |end| end.unit).ok()?;
        let end = self.units[index];
        let start = index.checked_sub(1).map_or(End::default(), |before| self.units[before]);
        Some(Noted {
            classes: &self.classes[start.classes..end.classes],
            several: &self.several[start.several..end.several],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit may be given up before it has begun, by the fast walk, and be read another way.
    #[test]
    fn a_unit_that_is_given_up_leaves_the_notes_of_others() {
        let mut notes = Notes::default();
        notes.clear(true);
        notes.add(|| ClassId(1), 10);
        notes.end(0);
        let mark = notes.mark();
        notes.forget(mark);
        notes.add(|| ClassId(2), 20);
        notes.add_several(ClassId(2));
        notes.end(1);
        notes.forget(mark);
        notes.add(|| ClassId(3), 30);
        notes.end(1);
        notes.end(2);
        let of = |unit| notes.of(unit).map(|noted| (noted.classes, noted.several));
        assert_eq!(of(0), Some((&[(ClassId(1), 10)][..], &[][..])));
        assert_eq!(of(1), Some((&[(ClassId(3), 30)][..], &[][..])));
        assert_eq!(of(2), Some((&[][..], &[][..])));
        assert!(of(3).is_none());

        // Where nobody is going to ask, a unit has not nothing, but is not known.
        notes.clear(false);
        notes.add(|| ClassId(1), 10);
        notes.end(0);
        assert!(notes.of(0).is_none());
    }
}
