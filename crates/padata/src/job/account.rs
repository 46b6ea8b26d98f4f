//! What became of each unit when a job did not succeed: completed, failed or not started. Plain
//! arithmetic on counts of units.
//!
//! The engine keeps no list of completed chunks. What was taken is a prefix of each part, and
//! each thread fails at most once, so completed is: that prefix, but for a few holes.

use std::ops::Range;

use super::deal::Claim;

/// Units of one part, by offset from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) part: usize,
    pub(crate) range: Range<u64>,
}

/// A claim that failed after its first `done` units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) claim: Claim,
    pub(crate) done: u64,
}

/// All units of a job but those that failed. Ranges that touch are one; by part, then by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Units of chunks that succeeded.
    pub(crate) completed: Vec<Units>,
    /// The same, and the finished prefixes of chunks that failed.
    pub(crate) to_undo: Vec<Units>,
    pub(crate) not_started: Vec<Units>,
}

/// Settles the account of a job: for each part the number of its units and of those that were
/// taken, the chunks that failed, and what was given back for good. Those do not overlap.
pub(crate) fn settle(
    parts: impl Iterator<Item = (u64, u64)>,
    failed: &[Hole],
    given_back: &[Claim],
) -> Account {
    let mut holes: Vec<(Claim, Option<u64>)> =
        failed.iter().map(|hole| (hole.claim, Some(hole.done))).collect();
    holes.extend(given_back.iter().filter(|claim| claim.units > 0).map(|&claim| (claim, None)));
    // A chunk that kept nothing is an empty hole, before the one of what it gave back.
    holes.sort_unstable_by_key(|(claim, _)| (claim.part, claim.offset, claim.units));
    let mut holes = holes.into_iter().peekable();

    let mut account = Account::default();
    for (part, (units, taken)) in parts.enumerate() {
        let mut at = 0;
        while let Some((claim, done)) = holes.next_if(|(claim, _)| claim.part == part) {
            let end = claim.offset + claim.units;
            add(&mut account.completed, part, at..claim.offset);
            add(&mut account.to_undo, part, at..claim.offset + done.unwrap_or(0));
            if done.is_none() {
                add(&mut account.not_started, part, claim.offset..end);
            }
            at = end;
        }
        add(&mut account.completed, part, at..taken);
        add(&mut account.to_undo, part, at..taken);
        add(&mut account.not_started, part, taken..units);
    }
    account
}

/// Appends a range, or makes the last one longer if it ends where the new one begins.
fn add(list: &mut Vec<Units>, part: usize, range: Range<u64>) {
    if range.is_empty() {
        return;
    }
    match list.last_mut() {
        Some(last) if last.part == part && last.range.end == range.start => {
            last.range.end = range.end;
        }
        _ => list.push(Units { part, range }),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What happened to a piece of a part.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        Done,
        Failed {
            done: u64,
        },
        GivenBack,
        /// All of it was given back by a chunk that then failed.
        FailedWithNothing,
    }

    fn fates() -> impl Strategy<Value = Vec<(u64, Fate)>> {
        let fate = prop_oneof![
            4 => Just(Fate::Done),
            1 => (0..6_u64).prop_map(|done| Fate::Failed { done }),
            1 => Just(Fate::GivenBack),
            1 => Just(Fate::FailedWithNothing),
        ];
        prop::collection::vec((1..6_u64, fate), 0..40)
    }

    /// The units in a list of ranges, which must be in order and must not touch.
    fn units_of(list: &[Units]) -> Vec<(usize, u64)> {
        for pair in list.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            assert!((a.part, a.range.end) < (b.part, b.range.start), "not merged: {list:?}");
        }
        list.iter().flat_map(|units| units.range.clone().map(|at| (units.part, at))).collect()
    }

    proptest! {
        /// Unit by unit: each one is counted once, where it belongs.
        #[test]
        fn settles_every_unit(
            parts in prop::collection::vec((fates(), 0..6_u64), 0..5),
            reversed: bool,
        ) {
            let (mut failed, mut given_back, mut sizes) = (vec![], vec![], vec![]);
            let (mut completed, mut to_undo, mut not_started) = (vec![], vec![], vec![]);
            for (part, (pieces, untaken)) in parts.iter().enumerate() {
                let mut offset = 0;
                for &(units, fate) in pieces {
                    let claim = Claim { part, offset, units };
                    for at in offset..offset + units {
                        match fate {
                            Fate::Done => {
                                completed.push((part, at));
                                to_undo.push((part, at));
                            }
                            Fate::Failed { done } if at - offset < done => to_undo.push((part, at)),
                            Fate::Failed { .. } => {}
                            Fate::GivenBack | Fate::FailedWithNothing => {
                                not_started.push((part, at));
                            }
                        }
                    }
                    match fate {
                        Fate::Failed { done } => failed.push(Hole { claim, done: done.min(units) }),
                        Fate::GivenBack => given_back.push(claim),
                        Fate::FailedWithNothing => {
                            let nothing = Claim { units: 0, ..claim };
                            failed.push(Hole { claim: nothing, done: 0 });
                            given_back.push(claim);
                        }
                        Fate::Done => {}
                    }
                    offset += units;
                }
                not_started.extend((offset..offset + untaken).map(|at| (part, at)));
                sizes.push((offset + untaken, offset));
            }
            if reversed {
                failed.reverse();
                given_back.reverse();
            }
            let account = settle(sizes.into_iter(), &failed, &given_back);
            prop_assert_eq!(units_of(&account.completed), completed);
            prop_assert_eq!(units_of(&account.to_undo), to_undo);
            prop_assert_eq!(units_of(&account.not_started), not_started);
        }
    }
}
