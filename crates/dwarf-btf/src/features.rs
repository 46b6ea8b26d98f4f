//! What may be asked of the encoder: pahole's `--btf_features`, and its older single flags.

/// Which parts of BTF are made. [`Features::default`] is what pahole does without
/// `--btf_features`; [`Features::standard`] is its keyword `default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// `encode_force`: variables with invalid names or of type `void` are left out, and do not end it.
    pub encode_force: bool,
    /// `var`: per-CPU variables and their section.
    pub var: bool,
    /// `global_var`: variables of every section.
    pub global_var: bool,
    /// `float`: floating-point types; else they are integers.
    pub float: bool,
    /// `decl_tag`: attributes of declarations.
    pub decl_tag: bool,
    /// `type_tag`: attributes of types.
    pub type_tag: bool,
    /// `enum64`: enumerations above 32 bits; else their values are cut.
    pub enum64: bool,
    /// `consistent_func`: functions whose prototype is not certain are left out.
    pub consistent_func: bool,
    /// `decl_tag_kfuncs`: `bpf_kfunc` and `bpf_fastcall` for functions in `.BTF_ids`.
    pub decl_tag_kfuncs: bool,
    /// `attributes`: address spaces of arena pointers in kfuncs.
    pub attributes: bool,
    /// `distilled_base`: a small base of its own for a split blob. pahole makes one only in the ELF
    /// file, and not when a file of its own is asked for.
    pub distilled_base: bool,
    /// `layout`, later than pahole 1.31: the sizes of kinds, in a blob that is not split.
    pub layout: bool,
    /// `true_signature`, later than pahole 1.31: functions as the compiler has left them.
    pub true_signature: bool,
    /// `gnu_annotation`, a name of our own for what pahole later than 1.31 does unasked: attributes
    /// as GCC says them (`DW_TAG_GNU_annotation`) are read like LLVM's.
    pub gnu_annotation: bool,
}

impl Default for Features {
    fn default() -> Self {
        Features {
            encode_force: false,
            var: true,
            global_var: false,
            float: false,
            decl_tag: true,
            type_tag: true,
            enum64: true,
            consistent_func: false,
            decl_tag_kfuncs: false,
            attributes: false,
            distilled_base: false,
            layout: false,
            true_signature: false,
            gnu_annotation: false,
        }
    }
}

impl Features {
    /// None of them: what `--btf_features=` begins with.
    pub fn none() -> Features {
        let mut none = Features::default();
        for (_, place) in none.places() {
            *place = false;
        }
        none
    }

    /// pahole's keyword `default`.
    pub fn standard() -> Features {
        Features {
            encode_force: true,
            var: true,
            global_var: false,
            float: true,
            decl_tag: true,
            type_tag: true,
            enum64: true,
            consistent_func: true,
            decl_tag_kfuncs: true,
            attributes: false,
            distilled_base: false,
            layout: false,
            true_signature: false,
            gnu_annotation: false,
        }
    }

    /// The names of pahole 1.31's features, with the place of each.
    fn places(&mut self) -> [(&'static str, &mut bool); 11] {
        [
            ("encode_force", &mut self.encode_force),
            ("var", &mut self.var),
            ("float", &mut self.float),
            ("decl_tag", &mut self.decl_tag),
            ("type_tag", &mut self.type_tag),
            ("enum64", &mut self.enum64),
            ("consistent_func", &mut self.consistent_func),
            ("decl_tag_kfuncs", &mut self.decl_tag_kfuncs),
            ("distilled_base", &mut self.distilled_base),
            ("global_var", &mut self.global_var),
            ("attributes", &mut self.attributes),
        ]
    }

    /// Turns on pahole 1.31's feature of that name; says whether there is one. `optimized_func` and
    /// `reproducible_build` are known and change nothing, as in pahole 1.31.
    pub fn enable(&mut self, name: &str) -> bool {
        if matches!(name, "optimized_func" | "reproducible_build") {
            return true;
        }
        match self.places().into_iter().find(|(known, _)| *known == name) {
            Some((_, place)) => {
                *place = true;
                true
            }
            None => false,
        }
    }

    /// Turns on a feature that pahole has later than 1.31; says whether there is one.
    pub fn enable_later(&mut self, name: &str) -> bool {
        let place = match name {
            "layout" => &mut self.layout,
            "true_signature" => &mut self.true_signature,
            "gnu_annotation" => &mut self.gnu_annotation,
            _ => return false,
        };
        *place = true;
        true
    }
}
