//! What names of units are in a base whose classes are known by key.
//!
//! The classes themselves need no comparison: one of the units is one of the base or it is not. What is
//! left to ask is what their names stand for, here and there.

use kmill_btf::dedup::Many;
use kmill_btf::{Kind, TypeId};

use crate::class::base::Beside;
use crate::class::base_keys::BaseKeys;
use crate::class::key::{Key, StrKey};
use crate::class::merge::{BaseNames, GlobalId, Verdict};

/// What a name of the units is in the base.
enum Standing {
    /// Nothing.
    Foreign,
    /// This type.
    Same(TypeId),
    /// Something else, or several things.
    Unlike,
}

impl Beside<'_, '_> {
    /// What the base has to do with the names of the units, and what is the base's too.
    pub(crate) fn verdict_by_key(mut self, keys: &BaseKeys) -> Verdict {
        let mut verdict = Verdict::default();
        let (array_index, keyless) = (keys.array_index, keys.keyless);
        let mut names = BaseNames { array_index, keyless, ..BaseNames::default() };
        for anchor in self.merged.anchors() {
            let standing = self.standing(anchor);
            if matches!(standing, Standing::Foreign) {
                continue;
            }
            names.known.insert(anchor);
            let named = self.merged.named(anchor);
            if named.definition.is_some() && named.forward.is_some() {
                verdict.declared_too.push(anchor);
            }
            match standing {
                Standing::Same(id) => names.declared.extend(named.forward.map(|from| (from, id))),
                Standing::Unlike | Standing::Foreign => {
                    verdict.unlike.push(anchor);
                    if self.conflicts_at(anchor) {
                        verdict.seeds.push(anchor);
                    }
                }
            }
        }
        verdict.names = Some(names);
        verdict
    }

    fn standing(&self, anchor: GlobalId) -> Standing {
        let Some((keys, class)) = self.merged.in_base(anchor) else {
            return self.standing_by_text(anchor);
        };
        let base = keys.name(class).unwrap_or_default();
        let named = self.merged.named(anchor);
        match (base.same, base.forward, base.others) {
            (Many::One(id), Many::None, false) => match (named.definition, named.forward) {
                (Some(_), Some(_)) if self.kind(anchor).is_some_and(Kind::is_enum) => {
                    Standing::Unlike
                }
                (Some(definition), _) if self.merged.all[definition.index()].base == id => {
                    Standing::Same(id)
                }
                (None, Some(_)) if self.is_declared_composite(anchor) => Standing::Same(id),
                _ => Standing::Unlike,
            },
            (Many::None, Many::One(id), false) if named.definition.is_none() => Standing::Same(id),
            _ => Standing::Unlike,
        }
    }

    /// Of a name that the base does not have, or not by this key.
    fn standing_by_text(&self, anchor: GlobalId) -> Standing {
        let name = self.merged.words(anchor).name();
        // There, one string has one offset, and it is the base's if that has it.
        if name.in_debug_str().is_some() {
            return Standing::Foreign;
        }
        match self.in_base(name) {
            // Others may say it as the base does: the two are told to be one when names are added.
            Some(found) if self.sections.says_base(found) => Standing::Unlike,
            _ => Standing::Foreign,
        }
    }

    fn kind(&self, anchor: GlobalId) -> Option<Kind> {
        Kind::of(self.merged.words(anchor).third() as u32)
    }

    /// Whether units declare a structure or union of that name, and define none of the other kind.
    fn is_declared_composite(&self, anchor: GlobalId) -> bool {
        let name: StrKey = self.merged.words(anchor).name();
        let other = match self.kind(anchor) {
            Some(Kind::Struct) => Kind::Union,
            Some(Kind::Union) => Kind::Struct,
            _ => return false,
        };
        let other = self.merged.find(Key::anchor(other, name));
        other.is_none_or(|other| self.merged.named(other).definition.is_none())
    }
}
