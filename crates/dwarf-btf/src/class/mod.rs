//! The parallel path: units become classes of types that say the same, and only these, with what
//! is not certain about them, go through deduplication.
//!
//! ```text
//! units -> walk, or from_unit -> one Lane per worker -> merge -> reduce -> a stream to deduplicate
//!
//! encode       the four phases; behind lets go of what they have read
//! from_unit    the general way from a unit to classes; the fast one is crate::walk
//! lane         what a worker knows: a table of types, states of functions, variables
//! table        classes by key, with where each was first; index finds them; words are what they say
//! key          what a type says, in 62 bits
//! graph        one unit's types and who refers to whom; copies the same of what is uncertain, by notes
//! states       functions as units say them, in keys
//! base         what a base makes uncertain; standing the same, and what is the base's, where base_keys
//!              knows its types by key
//! merge        the workers' classes as one list, and which of them are not certain
//! reader       what reads units
//! reduce       the types that must go through deduplication, in order
//! functions    functions onto the final types
//! ```

pub(crate) mod base;
pub(crate) mod base_keys;
pub(crate) mod behind;
pub(crate) mod copies;
pub(crate) mod encode;
pub(crate) mod from_unit;
pub(crate) mod functions;
pub(crate) mod graph;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod lane;
pub(crate) mod merge;
pub(crate) mod notes;
pub(crate) mod reader;
pub(crate) mod reduce;
pub(crate) mod standing;
pub(crate) mod states;
pub(crate) mod table;
pub(crate) mod words;
