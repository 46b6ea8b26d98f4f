//! What happens to one datagram: sealed with AES-256-GCM, and opened.

use std::io;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

pub(crate) type Key = LessSafeKey;

/// The number of the packet, in front of what is sealed.
pub(crate) const HEADER: usize = size_of::<u64>();
/// The tag of the cipher, behind it.
pub(crate) const TAG: usize = 16;

/// Seals what is behind the header, and appends the tag.
pub(crate) fn seal(key: &Key, mut datagram: Vec<u8>) -> io::Result<Vec<u8>> {
    let (header, payload) =
        datagram.split_first_chunk_mut::<HEADER>().expect("each datagram begins with its number");
    let tag = key
        .seal_in_place_separate_tag(nonce(*header), Aad::from(*header), payload)
        .map_err(|_| io::Error::other("the packet cannot be sealed"))?;
    datagram.extend_from_slice(tag.as_ref());
    Ok(datagram)
}

/// Opens a datagram, removes its tag and returns its number; nothing if it is not one that was
/// sealed with this key.
pub(crate) fn open(key: &Key, datagram: &mut Vec<u8>) -> Option<u64> {
    let (header, sealed) = datagram.split_first_chunk_mut::<HEADER>()?;
    let number = u64::from_be_bytes(*header);
    let payload = key.open_in_place(nonce(*header), Aad::from(*header), sealed).ok()?;
    let len = HEADER + payload.len();
    datagram.truncate(len);
    Some(number)
}

/// Never the same for two packets: the key is new for each tunnel, and used in one direction.
fn nonce(number: [u8; HEADER]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number);
    Nonce::assume_unique_for_key(nonce)
}

pub(crate) fn new_key() -> io::Result<Key> {
    let mut key = [0; 32];
    let made =
        SystemRandom::new().fill(&mut key).and_then(|()| UnboundKey::new(&AES_256_GCM, &key));
    Ok(LessSafeKey::new(made.map_err(|_| io::Error::other("no key can be made"))?))
}
