//! Why the topology could not be read.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use super::CpuListError;

/// Why [`Topology::read`](super::Topology::read) failed, and at which file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TopologyError {
    /// A file cannot be read, or is longer than any such file, or is not UTF-8.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not a list of CPUs or nodes.
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the text.
        cause: CpuListError,
    },
    /// A node's file is not a distance to each online node.
    Distances {
        /// The file.
        path: PathBuf,
        /// The start of what it says.
        text: String,
        /// The number of online nodes.
        nodes: usize,
    },
    /// The list of online CPUs is empty, though this runs on one.
    NoCpu {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => write!(f, "cannot read {}: {cause}", path.display()),
            Self::List { path, cause } => write!(f, "cannot parse {}: {cause}", path.display()),
            Self::Distances { path, text, nodes } => {
                let path = path.display();
                write!(
                    f,
                    "cannot parse {path}: `{text}` is not a distance to each of {nodes} nodes"
                )
            }
            Self::NoCpu { path } => write!(f, "cannot use {}: no CPU is online", path.display()),
        }
    }
}

// No `source`: the message has the cause already, and a chain would print it twice.
impl Error for TopologyError {}
