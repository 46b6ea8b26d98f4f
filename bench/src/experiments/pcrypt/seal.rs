//! The requests: AES-256-GCM in place, as IPsec does it: 16 bytes beside the block are authenticated
//! as well, and each request has a nonce of its own.

use std::sync::{Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::error::{Context, Result};

const BESIDE: [u8; 16] = [7; 16];

/// Encrypts the requests of a sample, numbered from 0. Each uses the buffer of the request that was
/// so many before it as may be in flight, and that therefore has ended: nothing is allocated, and
/// no lock is waited for.
pub(super) struct Sealer {
    key: LessSafeKey,
    buffers: Vec<Mutex<Vec<u8>>>,
}

impl Sealer {
    pub(super) fn new(bytes: usize, in_flight: usize) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[42; 32]).context(|| "a key".to_owned())?;
        let buffers = (0..in_flight).map(|_| Mutex::new(vec![0; bytes])).collect();
        Ok(Sealer { key: LessSafeKey::new(key), buffers })
    }

    pub(super) fn in_flight(&self) -> usize {
        self.buffers.len()
    }

    /// As new: what is encrypted in place depends on what was there.
    pub(super) fn reset(&self) {
        for buffer in &self.buffers {
            buffer.lock().unwrap_or_else(PoisonError::into_inner).fill(0);
        }
    }

    /// One request; half of its tag is the result. Nothing if it fails, which it does for blocks
    /// of many GiB only.
    pub(super) fn seal(&self, number: u64) -> Option<u64> {
        let buffer = &self.buffers[number as usize % self.buffers.len()];
        let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nonce = [0; NONCE_LEN];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(BESIDE), &mut buffer);
        tag.ok()?.as_ref().first_chunk().copied().map(u64::from_le_bytes)
    }

    /// The results of so many requests in order, one after the other. For each of these counts.
    pub(super) fn expected(&self, counts: &[u64]) -> Vec<Option<u64>> {
        self.reset();
        let mut found = vec![Some(0); counts.len()];
        let mut state = Some(0);
        for number in 0..counts.iter().copied().max().unwrap_or(0) {
            state = fold(state, self.seal(number));
            for (found, &count) in found.iter_mut().zip(counts) {
                if count == number + 1 {
                    *found = state;
                }
            }
        }
        found
    }
}

/// One more result, in order; nothing any more once one is missing.
pub(super) fn fold(state: Option<u64>, result: Option<u64>) -> Option<u64> {
    Some(state?.rotate_left(5) ^ result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_depend_on_number_and_order_alone() {
        let sealer = Sealer::new(64, 2).unwrap();
        let three = (0..3).try_fold(0, |state, number| fold(Some(state), sealer.seal(number)));
        assert_ne!(three, Some(0));
        assert_eq!(sealer.expected(&[3, 1, 0, 3])[0], three);
        assert_eq!(sealer.expected(&[1])[0], sealer.expected(&[3, 1])[1]);
        assert_ne!(sealer.seal(0), sealer.seal(1));
        assert_eq!(fold(Some(1), None), None);
    }
}
