//! The machine and what this process may use of it: CPUs, cores, NUMA nodes, cgroup limits.
//!
//! All of it is read below a root directory (`/`, as a rule) from the files of the Linux kernel,
//! and is what they said at that moment: later changes are not followed.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | [`Topology`]: which CPUs share a core, which are near which memory |
//! | `threads` | how many threads fit into mask, cpuset and quota |
//! | [`cgroup`] | CPU quota and cpuset of the process's control groups |
//! | `error` | [`TopologyError`] |
//! | `cpus` | [`CpuSet`], its list format, [`CpuId`], [`NodeId`] |
//! | `files` | reading small files |

use std::io;
use std::path::{Path, PathBuf};

pub use cpus::{CpuId, CpuListError, CpuSet, NodeId};
pub use error::TopologyError;
pub(crate) use threads::threads;

pub mod cgroup;
mod cpus;
mod error;
mod files;
mod threads;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

/// More than the longest list of 65536 numbers needs, and a bound for what is not one.
const LONGEST: usize = 512 << 10;

/// What ACPI and the kernel give as the distance from a node to itself.
const LOCAL_DISTANCE: u32 = 10;

/// The CPUs of a machine that are online, the cores they belong to, and the NUMA nodes.
///
/// ```no_run
/// use padata::topology::{NodeId, Topology};
/// let topology = Topology::read("/".as_ref())?;
/// println!("{} CPUs, {} cores", topology.online().len(), topology.cores().len());
/// if let Some(cpus) = topology.cpus_near(NodeId(0)) {
///     println!("work on the memory of node 0 runs best on the CPUs {cpus}");
/// }
/// # Ok::<(), padata::topology::TopologyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    online: CpuSet,
    /// Disjoint, none empty, together all of `online`; by lowest CPU.
    cores: Vec<CpuSet>,
    /// By id. At least one.
    nodes: Vec<Node>,
}

/// A NUMA node that is online: memory, CPUs, both or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    id: NodeId,
    cpus: CpuSet,
    has_memory: bool,
    distances: Vec<u32>,
}

impl Node {
    /// The number of the node. Numbers need not be consecutive.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The online CPUs of the node; none for a node of memory alone.
    #[must_use]
    pub fn cpus(&self) -> &CpuSet {
        &self.cpus
    }

    /// Whether the node has memory, or `true` if the kernel does not tell.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.has_memory
    }

    /// The distance to each node of [`Topology::nodes`], in that order (so not indexed by id); empty
    /// if the kernel does not tell. 10 is the distance of a node to itself and 20 takes twice as
    /// long, as the firmware claims (the SLIT of ACPI).
    #[must_use]
    pub fn distances(&self) -> &[u32] {
        &self.distances
    }
}

impl Topology {
    /// Reads the topology from `sys/devices/system` in the directory `root`: from `cpu/online`,
    /// then one or two files for each core and each node. Where the kernel has no topology, each
    /// CPU is a core; where it has no nodes, all CPUs and the memory are node 0.
    ///
    /// # Errors
    ///
    /// If the list of online CPUs or the CPU list of an online node is missing, or a file is
    /// there and cannot be read or is malformed. The message names the file.
    pub fn read(root: &Path) -> Result<Topology, TopologyError> {
        let system = root.join("sys/devices/system");
        let path = system.join("cpu/online");
        let online = list(&path)?;
        if online.is_empty() {
            return Err(TopologyError::NoCpu { path });
        }
        let cores = cores(&system.join("cpu"), &online)?;
        let nodes = nodes(&system.join("node"), &online)?;
        Ok(Topology { online, cores, nodes })
    }

    /// All CPUs that are online. At least one.
    #[must_use]
    pub fn online(&self) -> &CpuSet {
        &self.online
    }

    /// The cores: for each, the online CPUs that are its hardware threads, the core with the
    /// lowest CPU first. Each online CPU is in exactly one.
    #[must_use]
    pub fn cores(&self) -> &[CpuSet] {
        &self.cores
    }

    /// The nodes that are online, lowest id first. At least one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that an online CPU belongs to; `None` if it is not online or has no node.
    #[must_use]
    pub fn node_of(&self, cpu: CpuId) -> Option<NodeId> {
        self.nodes.iter().find(|node| node.cpus.contains(cpu)).map(|node| node.id)
    }

    /// The CPUs to work on the memory of a node: its own, or if it has none, those of the nearest
    /// node that has CPUs (of equally near ones, the one with the lowest id).
    ///
    /// `None` if there is no such node or no distances are known: the work can run anywhere.
    #[must_use]
    pub fn cpus_near(&self, node: NodeId) -> Option<&CpuSet> {
        let node = self.nodes.iter().find(|known| known.id == node)?;
        if !node.cpus.is_empty() {
            return Some(&node.cpus);
        }
        // Of equal distances `min_by_key` takes the first, and nodes are in the order of ids.
        let near = node.distances.iter().zip(&self.nodes).filter(|(_, near)| !near.cpus.is_empty());
        near.min_by_key(|&(distance, _)| distance).map(|(_, near)| &near.cpus)
    }

    /// The number of cores that have an allowed CPU.
    #[must_use]
    pub fn physical_cores(&self, allowed: &CpuSet) -> usize {
        self.cores.iter().filter(|core| core.iter().any(|cpu| allowed.contains(cpu))).count()
    }

    /// The CPUs on which to run `threads` threads: cores of their own before SMT siblings.
    ///
    /// If each thread can have a core, the result is one allowed CPU of each core that has any:
    /// `here` for the core of that CPU if it is allowed (a thread runs there already), else the
    /// lowest. Otherwise, and where no core has two allowed CPUs, it is `allowed`. Left to
    /// itself, a scheduler can put two threads on one core while another core is idle. Two
    /// threads share the ports of their core to memory: in the review of the kernel's ktask,
    /// Elliott measured 31.7 GB/s for 4 threads on 4 cores and 22.2 GB/s for 4 threads on 2.
    ///
    /// Allowed CPUs that are not online are in the result only if it is `allowed`.
    #[must_use]
    pub fn spread(&self, allowed: &CpuSet, threads: usize, here: Option<CpuId>) -> CpuSet {
        let here = here.filter(|&cpu| allowed.contains(cpu));
        let mut siblings = false;
        let mut one_each = Vec::with_capacity(self.cores.len());
        for core in &self.cores {
            let mut usable = core.iter().filter(|&cpu| allowed.contains(cpu));
            let Some(lowest) = usable.next() else { continue };
            siblings |= usable.next().is_some();
            one_each.push(here.filter(|&cpu| core.contains(cpu)).unwrap_or(lowest));
        }
        if siblings && threads <= one_each.len() {
            one_each.into_iter().collect()
        } else {
            allowed.clone()
        }
    }
}

/// The online CPUs by core, from the files of `cpu/cpuN/topology`.
fn cores(directory: &Path, online: &CpuSet) -> Result<Vec<CpuSet>, TopologyError> {
    let mut cores = Vec::new();
    let mut left = online.clone();
    // The siblings of a core all say the same, so one file for each core is enough. CPUs are taken
    // out as they are found: whatever the files say, each CPU is in one core.
    while let Some(first) = left.first() {
        let topology = directory.join(format!("cpu{first}/topology"));
        let siblings = match if_there(list(&topology.join("core_cpus_list")))? {
            Some(siblings) => Some(siblings),
            // The name before Linux 5.3.
            None => if_there(list(&topology.join("thread_siblings_list")))?,
        };
        let mut core = siblings.map_or_else(CpuSet::new, |siblings| siblings.intersection(&left));
        core.insert(first);
        for cpu in core.iter() {
            left.remove(cpu);
        }
        cores.push(core);
    }
    Ok(cores)
}

/// The online nodes, from the files of `node`.
fn nodes(directory: &Path, online: &CpuSet) -> Result<Vec<Node>, TopologyError> {
    let ids = if_there(list(&directory.join("online")))?.unwrap_or_default();
    if ids.is_empty() {
        // A kernel without NUMA has no such directory.
        let cpus = online.clone();
        let distances = vec![LOCAL_DISTANCE];
        return Ok(vec![Node { id: NodeId(0), cpus, has_memory: true, distances }]);
    }
    let with_memory = match if_there(list(&directory.join("has_memory")))? {
        Some(nodes) => Some(nodes),
        None => if_there(list(&directory.join("has_normal_memory")))?,
    };
    let node = |id: CpuId| {
        let files = directory.join(format!("node{id}"));
        Ok(Node {
            id: NodeId(id.0),
            // A container can hide CPUs that the node has.
            cpus: list(&files.join("cpulist"))?.intersection(online),
            has_memory: with_memory.as_ref().is_none_or(|nodes| nodes.contains(id)),
            distances: distances(files.join("distance"), ids.len())?,
        })
    };
    // Lists of nodes have the format of lists of CPUs, and so the same type until here.
    ids.iter().map(node).collect()
}

/// The distances of one node to each of `nodes` online nodes; none if the file is not there.
fn distances(path: PathBuf, nodes: usize) -> Result<Vec<u32>, TopologyError> {
    let Some(text) = if_there(text(&path))? else { return Ok(Vec::new()) };
    let distances: Option<Vec<u32>> =
        text.split_ascii_whitespace().map(|distance| distance.parse().ok()).collect();
    distances.filter(|distances| distances.len() == nodes).ok_or_else(|| TopologyError::Distances {
        path,
        text: cpus::excerpt(text.trim_ascii()),
        nodes,
    })
}

/// The list that a file holds.
fn list(path: &Path) -> Result<CpuSet, TopologyError> {
    let cause = |cause| TopologyError::List { path: path.to_owned(), cause };
    text(path)?.parse().map_err(cause)
}

/// The content of a file.
fn text(path: &Path) -> Result<String, TopologyError> {
    let content = files::read(path, LONGEST).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    content.map_err(|cause| TopologyError::Read { path: path.to_owned(), cause })
}

/// Makes `None` of a file that does not exist: not all kernels have all of them.
fn if_there<T>(result: Result<T, TopologyError>) -> Result<Option<T>, TopologyError> {
    match result {
        Err(TopologyError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        result => result.map(Some),
    }
}
