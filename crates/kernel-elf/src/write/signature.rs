//! The signature that a kernel's build appends to a module, behind the ELF file: the signature, twelve
//! bytes that say how long it is, and a magic. Linux, `include/linux/module_signature.h`.

use super::error::WriteError;

/// What a signed module ends with: `MODULE_SIG_STRING`.
pub const SIGNATURE_MAGIC: &[u8] = b"~Module signature appended~\n";

/// `struct module_signature`: `algo`, `hash`, `id_type`, `signer_len`, `key_id_len`, 3 bytes of
/// nothing, `sig_len` as a big-endian number of 32 bits.
const INFO: usize = 12;

/// Whether the bytes end as a signed module does.
pub fn is_signed(module: &[u8]) -> bool {
    module.ends_with(SIGNATURE_MAGIC)
}

/// The module without its signatures: whoever signs twice appends a second one, which covers the first.
///
/// # Errors
/// [`WriteError::BadSignature`] when the magic is there, and what it says of what is before it cannot
/// be.
pub fn without_signature(module: &[u8]) -> Result<&[u8], WriteError> {
    let mut module = module;
    while let Some(rest) = module.strip_suffix(SIGNATURE_MAGIC) {
        module = without_one(rest).ok_or(WriteError::BadSignature)?;
    }
    Ok(module)
}

fn without_one(signed: &[u8]) -> Option<&[u8]> {
    let (rest, info) = signed.split_at_checked(signed.len().checked_sub(INFO)?)?;
    let [_, _, _, signer, key, _, _, _, len @ ..] = info else { return None };
    let len = u32::from_be_bytes(len.try_into().ok()?) as usize;
    // Before Linux 4.3 the name of the signer and of the key stood before the signature.
    let len = len.checked_add(usize::from(*signer) + usize::from(*key)).filter(|len| *len > 0)?;
    rest.get(..rest.len().checked_sub(len)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(module: &[u8], signer: u8, key: u8, len: u32) -> Vec<u8> {
        let info = [0, 0, 2, signer, key, 0, 0, 0];
        [module, &vec![7; len as usize], &info, &len.to_be_bytes(), SIGNATURE_MAGIC].concat()
    }

    #[test]
    fn a_signature_is_found_and_taken_off() {
        let signed = sign(b"module", 0, 0, 300);
        assert!(is_signed(&signed) && !is_signed(b"module"));
        assert_eq!(without_signature(&signed).unwrap(), b"module");
        assert_eq!(without_signature(b"module").unwrap(), b"module");
        assert_eq!(without_signature(&sign(&signed, 0, 0, 9)).unwrap(), b"module");
        let old = sign(b"modulesignerkeyid", 6, 5, 4);
        assert_eq!(without_signature(&old).unwrap(), b"module");
    }

    #[test]
    fn what_only_ends_so_is_an_error() {
        let signed = sign(b"module", 0, 0, 300);
        for bad in [SIGNATURE_MAGIC, &signed[10..], &sign(b"module", 0, 0, 0), &sign(b"", 1, 0, 5)]
        {
            assert!(matches!(without_signature(bad), Err(WriteError::BadSignature)));
        }
    }
}
