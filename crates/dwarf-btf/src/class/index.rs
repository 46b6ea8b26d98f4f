//! Where a key's class is: open addressing over three arrays, of which a touch reads two.
//!
//! Every type of a kernel comes by here, so what a touch reads must stay in the nearer caches:
//! eight bytes of key and two of stamp for each place, and no look at the class itself.

use crate::class::key::Key;

/// When a place was touched last. Stamps come round; one that is mistaken for another makes a
/// type look as if its unit had it twice, which is then looked at and found not to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp(u16);

impl Stamp {
    /// More than one unit has it.
    const SEVERAL: u16 = 1 << 15;

    const fn is(self, stamp: u32) -> bool {
        self.0 & !Self::SEVERAL == stamp as u16 & !Self::SEVERAL
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
    keys: Vec<Key>,
    stamps: Vec<Stamp>,
    classes: Vec<u32>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Index::with_places(1 << 12)
    }
}

impl Index {
    fn with_places(places: usize) -> Index {
        Index {
            keys: vec![Key::UNSET; places],
            stamps: vec![Stamp::default(); places],
            classes: vec![0; places],
            len: 0,
        }
    }

    /// Number of places, used or not.
    pub(crate) fn places(&self) -> usize {
        self.keys.len()
    }

    /// Where a key is, or would be.
    #[inline(always)]
    fn place(&self, key: Key) -> (usize, bool) {
        let mask = self.keys.len() - 1;
        let mut at = key.0 as usize & mask;
        loop {
            let found = self.keys[at & mask];
            if found == key || found == Key::UNSET {
                return (at & mask, found == key);
            }
            at += 1;
        }
    }

    pub(crate) fn find(&self, key: Key) -> Option<u32> {
        let (at, is_there) = self.place(key);
        is_there.then(|| self.classes[at])
    }

    #[inline(always)]
    pub(crate) fn touch(&mut self, key: Key, stamp: u32) -> Touch {
        let (at, is_there) = self.place(key);
        if !is_there {
            return Touch::Never;
        }
        let before = std::mem::replace(&mut self.stamps[at], Stamp(stamp as u16 | Stamp::SEVERAL));
        if before.is(stamp) {
            self.stamps[at] = before;
            return Touch::Again(Slot(at));
        }
        Touch::First(Slot(at))
    }

    /// The class at a place.
    pub(crate) fn class(&self, slot: Slot) -> u32 {
        self.classes[slot.0]
    }

    /// Whether more than one unit has a key.
    pub(crate) fn in_several(&self, key: Key) -> bool {
        let (at, is_there) = self.place(key);
        is_there && self.stamps[at].0 & Stamp::SEVERAL != 0
    }

    /// Adds a key that there is not.
    pub(crate) fn insert(&mut self, key: Key, class: u32, stamp: u32) {
        // Three quarters full at most: chains are short, and memory is what counts.
        if (self.len + 1) * 4 > self.keys.len() * 3 {
            self.grow();
        }
        let (at, _) = self.place(key);
        self.keys[at] = key;
        self.stamps[at] = Stamp(stamp as u16 & !Stamp::SEVERAL);
        self.classes[at] = class;
        self.len += 1;
    }

    fn grow(&mut self) {
        let old = std::mem::replace(self, Index::with_places(self.keys.len() * 2));
        for ((key, stamp), class) in old.keys.into_iter().zip(old.stamps).zip(old.classes) {
            if key != Key::UNSET {
                let (at, _) = self.place(key);
                (self.keys[at], self.stamps[at], self.classes[at]) = (key, stamp, class);
                self.len += 1;
            }
        }
    }

    /// Takes a key out again that was the last one added.
    pub(crate) fn remove_last(&mut self, key: Key) {
        let (at, is_there) = self.place(key);
        if is_there {
            // The last that came into a chain of places is its end.
            self.keys[at] = Key::UNSET;
            self.len -= 1;
        }
    }

    /// Only these keys, with what is known of them, in as many places as there are.
    pub(crate) fn rebuild(&mut self, keys: impl Iterator<Item = Key>) {
        let old = std::mem::replace(self, Index::with_places(self.keys.len()));
        for (class, key) in (0..).zip(keys) {
            let (at, is_there) = old.place(key);
            let stamp = if is_there { old.stamps[at] } else { Stamp::default() };
            self.insert(key, class, 0);
            let (at, _) = self.place(key);
            self.stamps[at] = stamp;
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
