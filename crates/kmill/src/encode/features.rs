//! Lists of BTF features, as `--btf_features` takes them: asking for any switches off all that is
//! not asked for.

use dwarf_btf::Features;

/// The features of pahole 1.31, in the order in which it shows them.
pub(crate) const SUPPORTED: [&str; 13] = [
    "encode_force",
    "var",
    "float",
    "decl_tag",
    "type_tag",
    "enum64",
    "optimized_func",
    "consistent_func",
    "decl_tag_kfuncs",
    "reproducible_build",
    "distilled_base",
    "global_var",
    "attributes",
];

/// What pahole has since, by names that 1.31 ignores: `kmill btf encode` knows them.
pub(crate) const LATER: [&str; 3] = ["layout", "true_signature", "gnu_annotation"];

/// How many of 1.31's `default` means.
const DEFAULT: usize = 9;

/// pahole has room for so many bytes of a list.
const LIST_MAX: usize = 1024;

/// Features that options have asked for, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As they are now.
    pub(crate) features: Features,
    /// There was a list: what the next one names is added.
    listed: bool,
    /// The names of [`LATER`] count.
    later: bool,
}

/// What is to be said about a name that no feature has.
pub(crate) type Unknown<'a> = &'a [u8];

impl Wanted {
    /// A kernel build's features, until there is a list; and its names may be [`LATER`] ones.
    pub(crate) fn with_later() -> Wanted {
        Wanted { features: Features::standard(), listed: false, later: true }
    }

    /// Adds what a list names. `unknown` hears of each name that no feature has, and says whether
    /// to go on; where it says no, the rest is not looked at and the result is false.
    ///
    /// `default` is nine features; a list that begins with `+` adds to these. Inside a longer list,
    /// `default` is both heeded and heard of as unknown.
    pub(crate) fn add_list(
        &mut self,
        list: &[u8],
        mut unknown: impl FnMut(Unknown<'_>) -> bool,
    ) -> bool {
        if !self.listed {
            self.features = Features::none();
            self.listed = true;
        }
        if list == b"default" {
            self.add_default();
            return true;
        }
        let list = match list.strip_prefix(b"+") {
            Some(rest) => {
                self.add_default();
                rest
            }
            None => list,
        };
        let list = &list[..list.len().min(LIST_MAX)];
        for name in list.split(|byte| *byte == b',').filter(|name| !name.is_empty()) {
            let known = std::str::from_utf8(name).is_ok_and(|name| {
                self.features.enable(name) || self.later && self.features.enable_later(name)
            });
            if name == b"default" {
                self.add_default();
            }
            if !known && !unknown(name) {
                return false;
            }
        }
        true
    }

    fn add_default(&mut self) {
        for name in &SUPPORTED[..DEFAULT] {
            let known = self.features.enable(name);
            debug_assert!(known, "{name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The features after these lists, and the unknown names.
    fn after(lists: &[&str]) -> (Features, Vec<String>) {
        let (mut wanted, mut unknown) = (Wanted::default(), Vec::new());
        for list in lists {
            wanted.add_list(list.as_bytes(), |name| {
                unknown.push(String::from_utf8_lossy(name).into_owned());
                true
            });
        }
        (wanted.features, unknown)
    }

    #[test]
    fn every_name_is_a_feature() {
        let mut features = Features::none();
        assert!(SUPPORTED.iter().all(|name| features.enable(name)));
    }

    #[test]
    fn the_first_list_switches_off_what_it_does_not_name() {
        assert_eq!(after(&[]).0, Features::default());
        assert_eq!(after(&["all"]), (Features::none(), vec!["all".to_owned()]));
        assert_eq!(after(&["var"]).0, Features { var: true, ..Features::none() });
    }

    #[test]
    fn lists_add_up() {
        let both = Features { var: true, float: true, ..Features::none() };
        assert_eq!(after(&["var", "float"]).0, both);
        assert_eq!(after(&[",,float,,var,"]).0, both);
    }

    #[test]
    fn default_is_nine_features_and_plus_adds_to_them() {
        assert_eq!(after(&["default"]).0, Features::standard());
        let more = Features { attributes: true, ..Features::standard() };
        assert_eq!(after(&["+attributes"]), (more.clone(), vec![]));
        assert_eq!(after(&["attributes", "+"]).0, more);
        assert_eq!(after(&["default,attributes"]), (more.clone(), vec!["default".to_owned()]));
        // Only at the front.
        assert_eq!(after(&["default", "var,+attributes"]).1, ["+attributes"]);
    }

    #[test]
    fn a_list_is_cut_where_the_buffer_of_pahole_ends() {
        let padding = ",".repeat(1021);
        let var = Features { var: true, ..Features::none() };
        assert_eq!(after(&[&format!("{padding}varx")]), (var, vec![]));
    }

    #[test]
    fn later_names_count_only_where_they_are_asked_for() {
        let list = b"layout,true_signature,gnu_annotation";
        assert_eq!(after(&["layout,true_signature,gnu_annotation"]).1, LATER);
        let mut wanted = Wanted::with_later();
        assert!(wanted.add_list(list, |_| false));
        let all = Features {
            layout: true,
            true_signature: true,
            gnu_annotation: true,
            ..Features::none()
        };
        assert_eq!(wanted.features, all);
    }

    #[test]
    fn a_no_ends_it() {
        let mut wanted = Wanted::default();
        assert!(!wanted.add_list(b"var,x,float", |name| name != b"x"));
        assert_eq!(wanted.features, Features { var: true, ..Features::none() });
    }
}
