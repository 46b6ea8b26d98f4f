//! What the encodings of one process have in common: memory. What one needed the next one can use, and
//! of the declarations and names of kernel headers most are met again in every module.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kmill_btf::Btf;
use kmill_btf::dedup::{DedupError, Index, Scratch};

use crate::class::base_keys::BaseKeys;
use crate::class::lane::Lane;
use crate::class::reader::Reader;
use crate::dwarf::strings::Histories;

/// Memory for any number of encodings, on any number of threads. Results do not depend on it.
#[derive(Debug, Default)]
pub struct Session {
    /// Many files share a base: it pays to know more of that than one file needs.
    many: bool,
    readers: Mutex<Vec<Reader>>,
    lanes: Mutex<Vec<Lane>>,
    scratches: Mutex<Vec<Scratch>>,
    histories: Histories,
    /// Of the base that was asked for last.
    keys: Mutex<Option<Known>>,
}

/// Bytes of debug info for which alone a base is worth to be known.
const LARGE: usize = 8 << 20;

/// A base, and its types by key, if they can be had.
#[derive(Debug)]
struct Known {
    base: Arc<Btf>,
    keys: Option<Arc<BaseKeys>>,
}

impl Session {
    /// For many files behind one base.
    pub fn for_many() -> Session {
        Session { many: true, histories: Histories::for_many(), ..Session::default() }
    }

    /// Whether it pays to know a base's types by key for a file with so much debug info.
    pub(crate) fn knows_base(&self, info: usize) -> bool {
        self.many || info > LARGE
    }

    /// A reader that no thread has, for a file.
    pub(crate) fn reader(&self) -> Reader {
        let mut reader = lock(&self.readers).pop().unwrap_or_default();
        reader.begin_file();
        reader
    }

    /// Keeps a reader for the next one who needs it.
    pub(crate) fn give_back(&self, reader: Reader) {
        lock(&self.readers).push(reader);
    }

    /// A lane that no thread has, for a file with so many functions behind that base, and whether its
    /// units are to be noted.
    pub(crate) fn lane(&self, functions: usize, base: Option<Arc<BaseKeys>>, noted: bool) -> Lane {
        let mut lane = lock(&self.lanes).pop().unwrap_or_default();
        lane.begin_file(functions, base, noted);
        lane
    }

    /// Keeps lanes for the next file, if there may be one.
    pub(crate) fn give_lanes_back(&self, lanes: Vec<Lane>) {
        if self.many {
            lock(&self.lanes).extend(lanes.into_iter().filter(|lane| !lane.is_large()));
        }
    }

    /// Strings of files before.
    pub(crate) fn histories(&self) -> &Histories {
        &self.histories
    }

    /// The types of a base by key, for many files.
    pub(crate) fn base_keys(&self, index: &Index) -> Option<Arc<BaseKeys>> {
        let mut known = lock(&self.keys);
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.base, index.base())) {
            return known.keys.clone();
        }
        let keys = BaseKeys::new(index).map(Arc::new);
        *known = Some(Known { base: index.base().clone(), keys: keys.clone() });
        keys
    }

    /// Every type once; what a base has, not at all.
    pub(crate) fn deduplicate(&self, btf: Btf, base: Option<&Index>) -> Result<Btf, DedupError> {
        let Some(index) = base else { return btf.dedup() };
        let mut scratch = lock(&self.scratches).pop().unwrap_or_default();
        let done = btf.dedup_behind(index, &mut scratch);
        lock(&self.scratches).push(scratch);
        done
    }

    /// Lets go of readers that have tables as large as a very large unit.
    pub(crate) fn forget_large_readers(&self) {
        // Without another file to come, none is needed any more.
        lock(&self.readers).retain(|reader| self.many && !reader.is_large());
    }
}

/// A reader that goes back by itself.
#[derive(Debug)]
pub(crate) struct Borrowed<'s> {
    session: &'s Session,
    reader: Reader,
}

impl<'s> Borrowed<'s> {
    pub(crate) fn new(session: &'s Session) -> Borrowed<'s> {
        Borrowed { session, reader: session.reader() }
    }

    pub(crate) fn get(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.session.give_back(std::mem::take(&mut self.reader));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
