//! Where a key's class is: open addressing over one array that a touch reads, and two beside it.
//!
//! Every type of a kernel comes by here, so what a touch reads must stay in the nearer caches: one
//! word for each place, of key and stamp, and no look at the class itself.

use crate::class::key::Key;

/// An index of a class in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassId(pub(crate) u32);

impl ClassId {
    /// `void`, which has no class.
    pub(crate) const VOID: ClassId = ClassId(u32::MAX);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a touch reads of a place: the upper 48 bits of its key, and below them its stamp. The rest
/// of the key is where the place lies, more or less: for two keys to be taken for one they would
/// have to agree in these 48 bits and lie side by side.
///
/// The stamp says when the place was touched last. Stamps come round; one that is mistaken for
/// another makes a type look as if its unit had it twice, which is then looked at and found not to
/// be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place(u64);

impl Place {
    const FREE: Place = Place(0);
    /// More than one unit has it.
    const SEVERAL: u64 = 1 << 15;
    const STAMP: u64 = Place::SEVERAL - 1;
    const LOW: u64 = 0xffff;

    const fn new(key: Key, stamp: u32) -> Place {
        Place(key.0 & !Place::LOW | stamp as u64 & Place::STAMP)
    }

    const fn is(self, key: Key) -> bool {
        (self.0 ^ key.0) & !Place::LOW == 0
    }

    const fn is_of(self, stamp: u32) -> bool {
        (self.0 ^ stamp as u64) & Place::STAMP == 0
    }

    const fn in_several(self) -> bool {
        self.0 & Place::SEVERAL != 0
    }
}

/// A place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// What a touch found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// No class has this key.
    Never,
    /// One has, and this unit for the first time.
    First(Slot),
    /// This unit has it again.
    Again(Slot),
}

#[derive(Debug)]
pub(crate) struct Index {
    places: Vec<Place>,
    /// The lower 16 bits of each key.
    lows: Vec<u16>,
    classes: Vec<u32>,
    len: usize,
}

/// Places that are cleared and not made anew, at most: those of nearly every module.
const KEPT_MAX: usize = 1 << 14;

impl Default for Index {
    fn default() -> Self {
        Index::with_places(1 << 12)
    }
}

impl Index {
    fn with_places(places: usize) -> Index {
        Index {
            places: vec![Place::FREE; places],
            lows: vec![0; places],
            classes: vec![0; places],
            len: 0,
        }
    }

    /// Takes everything out, and keeps the memory of an index that is not large.
    pub(crate) fn clear(&mut self) {
        if self.places.len() > KEPT_MAX {
            *self = Index::default();
        }
        self.places.fill(Place::FREE);
        self.len = 0;
    }

    /// Number of places, used or not.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Where a key is, or would be.
    #[inline(always)]
    fn place(&self, key: Key) -> (usize, Place) {
        let mask = self.places.len() - 1;
        let mut at = key.0 as usize & mask;
        loop {
            let found = self.places[at & mask];
            if found.is(key) || found == Place::FREE {
                return (at & mask, found);
            }
            at += 1;
        }
    }

    pub(crate) fn find(&self, key: Key) -> Option<u32> {
        let (at, found) = self.place(key);
        (found != Place::FREE).then(|| self.classes[at])
    }

    #[inline(always)]
    pub(crate) fn touch(&mut self, key: Key, stamp: u32) -> Touch {
        let (at, found) = self.place(key);
        if found == Place::FREE {
            return Touch::Never;
        }
        if found.is_of(stamp) {
            return Touch::Again(Slot(at));
        }
        self.places[at] = Place(Place::new(key, stamp).0 | Place::SEVERAL);
        Touch::First(Slot(at))
    }

    /// The class at a place.
    pub(crate) fn class(&self, slot: Slot) -> u32 {
        self.classes[slot.0]
    }

    /// Whether more than one unit has a key.
    pub(crate) fn in_several(&self, key: Key) -> bool {
        self.place(key).1.in_several()
    }

    /// Adds a key that there is not.
    pub(crate) fn insert(&mut self, key: Key, class: u32, stamp: u32) {
        // Three quarters full at most: chains are short, and memory is what counts.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        self.put(key, class, Place::new(key, stamp));
    }

    fn put(&mut self, key: Key, class: u32, place: Place) {
        let (at, _) = self.place(key);
        (self.places[at], self.lows[at], self.classes[at]) = (place, key.0 as u16, class);
        self.len += 1;
    }

    fn grow(&mut self) {
        let old = std::mem::replace(self, Index::with_places(self.places.len() * 2));
        for ((place, low), class) in old.places.into_iter().zip(old.lows).zip(old.classes) {
            if place != Place::FREE {
                self.put(Key(place.0 & !Place::LOW | u64::from(low)), class, place);
            }
        }
    }

    /// Takes a key out again that was the last one added.
    pub(crate) fn remove_last(&mut self, key: Key) {
        let (at, found) = self.place(key);
        if found != Place::FREE {
            // The last that came into a chain of places is its end.
            self.places[at] = Place::FREE;
            self.len -= 1;
        }
    }

    /// Only these keys, with what is known of them, in as many places as there are.
    pub(crate) fn rebuild(&mut self, keys: impl Iterator<Item = Key>) {
        let old = std::mem::replace(self, Index::with_places(self.places.len()));
        for (class, key) in (0..).zip(keys) {
            let (_, found) = old.place(key);
            let place = if found == Place::FREE { Place::new(key, 0) } else { found };
            self.put(key, class, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | Key::REAL)
    }

    #[test]
    fn a_touch_tells_the_first_of_a_unit_from_the_next() {
        let mut index = Index::default();
        assert_eq!(index.touch(key(1), 1), Touch::Never);
        index.insert(key(1), 7, 1);
        assert!(matches!(index.touch(key(1), 1), Touch::Again(slot) if index.class(slot) == 7));
        assert!(!index.in_several(key(1)));
        assert!(matches!(index.touch(key(1), 2), Touch::First(slot) if index.class(slot) == 7));
        assert!(matches!(index.touch(key(1), 2), Touch::Again(_)));
        assert!(index.in_several(key(1)));
    }

    #[test]
    fn what_was_added_last_can_be_taken_out() {
        let mut index = Index::default();
        (0..3000).for_each(|number| index.insert(key(number), number as u32, 1));
        (1000..3000).rev().for_each(|number| index.remove_last(key(number)));
        for number in 0..3000 {
            let expected = (number < 1000).then_some(number as u32);
            assert_eq!(index.find(key(number)), expected);
        }
        let places = index.places();
        (3000..9000).for_each(|number| index.insert(key(number), number as u32, 1));
        assert!(index.places() > places);
        index.touch(key(5), 2);
        index.rebuild((0..1000).map(key));
        assert_eq!(index.find(key(999)), Some(999));
        assert_eq!(index.find(key(3000)), None);
        assert!(index.in_several(key(5)) && !index.in_several(key(6)));
    }
}
