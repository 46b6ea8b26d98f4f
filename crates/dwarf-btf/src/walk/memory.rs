//! What is known of the offsets of a unit: a key for each type, and what else lies there.
//!
//! One word for each byte of the unit, so that a reference is one load. Only what was written is
//! cleared again: a unit has a type every forty bytes or so.

use crate::class::key::Key;

/// What a walk needs anew for each unit, kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By offset in the unit: a key, or another thing that lies there.
    keys: Vec<u64>,
    /// Offsets of which `keys` knows something.
    touched: Vec<u32>,
    /// Named structures and enumerations, for when all keys are known.
    pub(crate) bodies: Vec<u32>,
    /// Members, values and parameters of types that are being read.
    pub(crate) entries: Vec<[u64; 3]>,
}

impl Memory {
    /// Room for a unit of that many bytes, of which nothing is known.
    pub(crate) fn begin(&mut self, len: usize) {
        for at in self.touched.drain(..) {
            self.keys[at as usize] = 0;
        }
        if self.keys.len() < len {
            self.keys = vec![0; len.next_power_of_two()];
        }
        self.bodies.clear();
        self.entries.clear();
    }

    /// Whether it holds more than a few MiB.
    pub(crate) fn is_large(&self) -> bool {
        self.keys.len() > 1 << 19
    }

    #[inline(always)]
    pub(crate) fn get(&self, at: u32) -> u64 {
        self.keys.get(at as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, at: u32, value: u64) {
        if let Some(place) = self.keys.get_mut(at as usize) {
            *place = value;
            self.touched.push(at);
        }
    }
}

impl Memory {
    /// Where types lie; some more than once.
    pub(crate) fn types(&self) -> impl Iterator<Item = u32> {
        let at = self.touched.iter().copied();
        at.filter(|at| self.keys[*at as usize] & Key::REAL != 0)
    }
}
