//! Lists of BTF features to encode with.

use std::ffi::OsString;

/// What kernel builds ask for.
pub(super) const KERNEL: &str = "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,\
                                 consistent_func,decl_tag_kfuncs";

/// The encoders' options for a list.
pub(super) fn options(list: &str) -> Vec<OsString> {
    vec![format!("--btf_features={list}").into()]
}

/// The list without its first name, without its second one, and so on.
pub(super) fn leave_out_each(list: &str) -> Vec<String> {
    let names: Vec<&str> = list.split(',').collect();
    let without = |left_out: usize| {
        let rest = names.iter().enumerate().filter(|(index, _)| *index != left_out);
        rest.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    };
    (0..names.len()).map(without).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_name_is_left_out_once() {
        assert_eq!(super::leave_out_each("a,b,c"), ["b,c", "a,c", "a,b"]);
    }
}
