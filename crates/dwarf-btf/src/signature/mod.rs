//! The signatures that the compiler has left: the feature `true_signature`, which pahole has later
//! than 1.31.
//!
//! A compiler that sees all calls of a function may drop parameters, pass one member of a
//! structure instead of it, or put parameters in another order; the symbol then has a suffix
//! (`foo.constprop.0`). With this feature a function is encoded as what is there to be traced:
//! under the symbol's own name, with the parameters that are left. Which these are, the locations
//! of parameters tell; that they changed at all, LLVM says and GCC only shows.
//!
//! | file | holds |
//! |---|---|
//! | `facts` | what entries say of functions and parameters, and what follows from it |
//! | `analysis` | parameters against the calling convention |
//! | `choice` | which of a function's states is encoded, if any |
//!
//! Units are read the general way when it is asked for ([`from_unit`](crate::class::from_unit)), as
//! the fast walk has no use for what is known here.

pub(crate) mod analysis;
pub(crate) mod choice;
pub(crate) mod facts;
