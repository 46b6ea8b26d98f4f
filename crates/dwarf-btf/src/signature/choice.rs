//! Which of the states of a function is encoded, and under which name, when the signatures that the
//! compiler has left are asked for.

use crate::elf::functions::{ElfFunctions, FunctionId, SuffixedId};
use crate::signature::facts::FunctionFacts;

/// What decides about a state besides its types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// A symbol of the function is where its code is.
    has_symbol: bool,
    /// One with a suffix is.
    suffixed: Option<SuffixedId>,
    reordered: bool,
}

impl Standing {
    /// That of a function's state; nowhere in particular unless that is asked for.
    pub(crate) fn of(
        functions: &ElfFunctions<'_>,
        function: FunctionId,
        facts: Option<&FunctionFacts>,
    ) -> Standing {
        let (Some(symbols), Some(facts)) = (&functions.symbols, facts) else {
            return Standing::default();
        };
        let found = symbols.at(function, facts.address);
        Standing {
            has_symbol: found.is_some(),
            suffixed: found.flatten().filter(|_| facts.address != 0),
            reordered: facts.reordered,
        }
    }

    pub(crate) fn is_suffixed(&self) -> bool {
        self.suffixed.is_some()
    }
}

/// A state as the choice sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Candidate {
    pub(crate) unexpected_register: bool,
    pub(crate) uncertain_location: bool,
    pub(crate) standing: Standing,
}

/// A state that is encoded, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) state: usize,
    /// Under this symbol's name, and without the attributes that its own name has.
    pub(crate) suffixed: Option<SuffixedId>,
}

/// What is asked of a function besides its states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) consistent: bool,
    pub(crate) ambiguous: bool,
}

/// Chooses among the states of a function, in their order. `matches` says whether the types of a
/// state are those of the first.
///
/// A state whose code has a symbol with a suffix is taken before all others, whatever those say.
/// Doubts spread as in the reference: each state is doubted for itself and those before it, and
/// the first for all.
pub(crate) fn choose(
    candidates: &[Candidate],
    rules: Rules,
    mut matches: impl FnMut(usize) -> bool,
) -> Option<Chosen> {
    let mut all = *candidates.first()?;
    let mut differs = false;
    let mut doubted = vec![false; candidates.len()];
    for (index, candidate) in candidates.iter().enumerate().skip(1) {
        all.unexpected_register |= candidate.unexpected_register;
        all.uncertain_location |= candidate.uncertain_location;
        all.standing.reordered |= candidate.standing.reordered;
        let open = !all.unexpected_register && !all.standing.reordered && !differs;
        differs |= open && !matches(index);
        doubted[index] = all.unexpected_register || all.uncertain_location;
    }
    doubted[0] = all.unexpected_register || all.uncertain_location;

    let suffixed = candidates
        .iter()
        .zip(&doubted)
        .position(|(candidate, doubted)| candidate.standing.is_suffixed() && !doubted);
    if let Some(state) = suffixed {
        return Some(Chosen { state, suffixed: candidates[state].standing.suffixed });
    }
    if doubted[0] || all.standing.reordered || rules.ambiguous || rules.consistent && differs {
        return None;
    }
    // A function that other units override, or inline, is the one that has the symbol.
    let state = candidates.iter().position(|candidate| candidate.standing.has_symbol).unwrap_or(0);
    Some(Chosen { state, suffixed: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffixed() -> Candidate {
        let standing = Standing { suffixed: Some(SuffixedId(7)), ..Standing::default() };
        Candidate { standing, ..Candidate::default() }
    }

    fn choose_state(candidates: &[Candidate]) -> Option<usize> {
        let rules = Rules { consistent: true, ambiguous: false };
        choose(candidates, rules, |_| true).map(|chosen| chosen.state)
    }

    #[test]
    fn a_doubt_goes_to_those_behind_it_and_to_the_first() {
        let plain = Candidate::default();
        let doubtful = Candidate { unexpected_register: true, ..plain };
        assert_eq!(choose_state(&[plain, suffixed()]), Some(1));
        assert_eq!(choose_state(&[plain, suffixed(), doubtful]), Some(1));
        assert_eq!(choose_state(&[plain, doubtful, suffixed()]), None);
        assert_eq!(choose_state(&[suffixed(), doubtful]), None);
    }

    #[test]
    fn what_has_a_symbol_is_taken_before_what_is_first() {
        let plain = Candidate::default();
        let standing = Standing { has_symbol: true, ..Standing::default() };
        let own = Candidate { standing, ..plain };
        assert_eq!(choose_state(&[plain, own, own]), Some(1));
        assert_eq!(choose_state(&[plain, plain]), Some(0));
    }
}
