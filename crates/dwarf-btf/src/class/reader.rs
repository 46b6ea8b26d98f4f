//! What reads units, one after another.

use crate::dwarf::abbrev::Abbrevs;
use crate::walk::unit::Walker;

/// A walker knows declarations by their numbers, so the two stay together, from unit to unit and from
/// file to file.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) abbrevs: Abbrevs,
    pub(crate) walker: Walker,
}

impl Reader {
    /// Forgets what is known of one file only. What declarations say, holds for all.
    pub(crate) fn begin_file(&mut self) {
        self.abbrevs.begin_file();
        self.walker.begin_file();
    }

    /// Whether it holds more memory than modules need.
    pub(crate) fn is_large(&self) -> bool {
        self.walker.is_large()
    }
}
