//! What the control groups of this process leave it of the machine: CPU time and CPUs.
//!
//! Both versions of the kernel's cgroups count, and systems that mount both (cgroup(7);
//! Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpusets.rst; scheduler/sched-bwc.rst).
//! A container may hide any of these files, so what cannot be read or parsed is no limit.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Component, Path, PathBuf};

use super::{CpuSet, files};

/// More than any file here needs but the list of mounts.
const LONGEST: usize = 64 << 10;

/// A machine with many containers has thousands of mounts.
const LONGEST_MOUNTINFO: usize = 16 << 20;

/// CPU time that a group may use: so many microseconds in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    micros: u64,
    period_micros: NonZeroU64,
}

impl Quota {
    /// `micros` microseconds of CPU time, over all CPUs, in each `period_micros` microseconds.
    #[must_use]
    pub const fn new(micros: u64, period_micros: NonZeroU64) -> Quota {
        Quota { micros, period_micros }
    }

    /// The CPU time in each period, in microseconds.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.micros
    }

    /// The period, in microseconds.
    #[must_use]
    pub const fn period_micros(self) -> NonZeroU64 {
        self.period_micros
    }

    /// The number of CPUs that can run all the time: the whole CPUs of the quota, never below 1.
    ///
    /// Rounded down: one thread too many is a whole group that stands still until the period ends.
    #[must_use]
    pub fn cpus(self) -> NonZeroUsize {
        let whole = usize::try_from(self.micros / self.period_micros).unwrap_or(usize::MAX);
        NonZeroUsize::new(whole).unwrap_or(NonZeroUsize::MIN)
    }

    /// The quota in CPUs: 0.2 is a fifth of one CPU's time.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.micros as f64 / self.period_micros.get() as f64
    }

    /// The one that allows less time; compared exactly, as fractions.
    fn tighter(self, other: Quota) -> Quota {
        let product = |a: Quota, b: Quota| u128::from(a.micros) * u128::from(b.period_micros.get());
        if product(other, self) < product(self, other) { other } else { self }
    }
}

/// The CPU limits of a process; the default is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuLimits {
    /// The tightest CPU quota of the process's groups and all groups above them.
    pub quota: Option<Quota>,
    /// The CPUs that the groups may use. Not empty.
    pub cpuset: Option<CpuSet>,
}

impl CpuLimits {
    fn tighten_quota(&mut self, quota: Option<Quota>) {
        self.quota = match (self.quota, quota) {
            (Some(before), Some(quota)) => Some(before.tighter(quota)),
            (before, quota) => before.or(quota),
        };
    }

    fn tighten_cpuset(&mut self, cpuset: Option<CpuSet>) {
        self.cpuset = match (self.cpuset.take(), cpuset) {
            (Some(before), Some(cpuset)) => {
                // The kernel never has cpusets in both versions at once. If two files say so
                // and have nothing in common, one of them is wrong, and the first will do.
                let both = before.intersection(&cpuset);
                Some(if both.is_empty() { before } else { both })
            }
            (before, cpuset) => before.or(cpuset),
        };
    }
}

/// Reads the limits of the calling process below the directory `root`: its groups from
/// `proc/self/cgroup`, their files from the usual places in `sys/fs/cgroup`, and only if a group
/// is not there, from where `proc/self/mountinfo` says.
///
/// ```
/// let limits = padata::topology::cgroup::read("/".as_ref());
/// if let Some(quota) = limits.quota {
///     println!("{} CPUs, so {} threads", quota.ratio(), quota.cpus());
/// }
/// ```
#[must_use]
pub fn read(root: &Path) -> CpuLimits {
    let mut limits = CpuLimits::default();
    let mut system = System { root, mountinfo: None };
    let groups = text(&root.join("proc/self/cgroup"), LONGEST).unwrap_or_default();
    for line in groups.lines() {
        // `4:cpu,cpuacct:/path`. The path may have colons, too.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let Some(path) = below_root(path) else { continue };
        for hierarchy in [Hierarchy::V2, Hierarchy::V1Cpu, Hierarchy::V1Cpuset] {
            if hierarchy.has(controllers)
                && let Some(group) = system.find(hierarchy, path)
            {
                hierarchy.tighten(&mut limits, &group);
            }
        }
    }
    limits
}

/// A tree of groups that can limit CPUs.
#[derive(Clone, Copy)]
enum Hierarchy {
    /// The one tree of version 2, with all controllers that version 1 does not have.
    V2,
    /// The tree of version 1 with the controller `cpu`.
    V1Cpu,
    /// The tree of version 1 with the controller `cpuset`.
    V1Cpuset,
}

impl Hierarchy {
    /// The controller of version 1.
    fn controller(self) -> Option<&'static str> {
        match self {
            Hierarchy::V2 => None,
            Hierarchy::V1Cpu => Some("cpu"),
            Hierarchy::V1Cpuset => Some("cpuset"),
        }
    }

    /// Whether it is the hierarchy with these controllers; version 2 has none in its line.
    fn has(self, controllers: &str) -> bool {
        match self.controller() {
            None => controllers.is_empty(),
            Some(controller) => controllers.split(',').any(|one| one == controller),
        }
    }

    /// Where it is mounted on nearly all systems.
    fn usual_places(self) -> &'static [&'static str] {
        match self {
            Hierarchy::V2 => &["sys/fs/cgroup", "sys/fs/cgroup/unified"],
            Hierarchy::V1Cpu => &["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"],
            Hierarchy::V1Cpuset => &["sys/fs/cgroup/cpuset"],
        }
    }

    /// Whether a mount with this file system type and these options shows it.
    fn is_mounted(self, kind: &str, options: &str) -> bool {
        match self {
            Hierarchy::V2 => kind == "cgroup2",
            Hierarchy::V1Cpu | Hierarchy::V1Cpuset => kind == "cgroup" && self.has(options),
        }
    }

    /// A file that each group of the hierarchy has, and no other directory.
    fn marker(self) -> &'static str {
        match self {
            Hierarchy::V2 => "cgroup.controllers",
            Hierarchy::V1Cpu | Hierarchy::V1Cpuset => "cgroup.procs",
        }
    }

    /// Applies the limits of a group and of all groups above it.
    fn tighten(self, limits: &mut CpuLimits, group: &Group) {
        match self {
            Hierarchy::V2 => {
                group.upwards().for_each(|group| limits.tighten_quota(quota_v2(group)));
                limits.tighten_cpuset(cpuset(group, &["cpuset.cpus.effective"]));
            }
            Hierarchy::V1Cpu => {
                group.upwards().for_each(|group| limits.tighten_quota(quota_v1(group)));
            }
            Hierarchy::V1Cpuset => {
                limits.tighten_cpuset(cpuset(group, &["cpuset.effective_cpus", "cpuset.cpus"]));
            }
        }
    }
}

/// The directory of a group, below or at the mount point of its hierarchy.
struct Group {
    mount: PathBuf,
    directory: PathBuf,
}

impl Group {
    fn new(mount: PathBuf, path: &Path) -> Group {
        let directory = mount.join(path);
        Group { mount, directory }
    }

    /// The directories of the group and of all groups above it that are mounted.
    fn upwards(&self) -> impl Iterator<Item = &Path> {
        self.directory.ancestors().take_while(|above| above.starts_with(&self.mount))
    }
}

/// Where to look for groups.
struct System<'a> {
    root: &'a Path,
    /// Read when it is first needed.
    mountinfo: Option<String>,
}

impl System<'_> {
    /// The group with this path in the hierarchy, if it can be seen.
    fn find(&mut self, hierarchy: Hierarchy, path: &Path) -> Option<Group> {
        let is_there = |group: &Group| group.directory.join(hierarchy.marker()).exists();
        let usual = hierarchy.usual_places().iter();
        let usual = usual.map(|place| Group::new(self.root.join(place), path)).find(is_there);
        usual.or_else(|| {
            let root = self.root;
            let mountinfo = self.mountinfo.get_or_insert_with(|| {
                text(&root.join("proc/self/mountinfo"), LONGEST_MOUNTINFO).unwrap_or_default()
            });
            let mut mounts = mountinfo.lines().filter_map(Mount::parse);
            mounts.find_map(|mount| {
                let shows = hierarchy.is_mounted(mount.kind, mount.options);
                shows.then(|| mount.group(root, path)).flatten().filter(is_there)
            })
        })
    }
}

/// A line of mountinfo, as far as it matters (proc_pid_mountinfo(5)).
struct Mount<'a> {
    /// Which directory of the file system is mounted. For a container it is the group of the
    /// container, as a rule.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl Mount<'_> {
    /// `31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw`; there can be any
    /// number of fields before the `-`.
    fn parse(line: &str) -> Option<Mount<'_>> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let (root, point) = (mount.next()?, mount.next()?);
        let (kind, options) = (system.next()?, system.nth(1)?);
        Some(Mount { root, point, kind, options })
    }

    /// Where the mount shows the group with this path in the hierarchy.
    fn group(&self, root: &Path, path: &Path) -> Option<Group> {
        let (mounted, point) = (unescape(self.root), unescape(self.point));
        let path = path.strip_prefix(below_root(&mounted)?).ok()?;
        Some(Group::new(root.join(below_root(&point)?), path))
    }
}

/// The text with what the kernel escapes in it: `\040` is a space.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    loop {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
            [] => break,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The path without its leading `/`; nothing if it is not absolute or leads out of the tree: the
/// kernel shows a group outside of our cgroup namespace as `/../name`.
fn below_root(path: &str) -> Option<&Path> {
    let path = Path::new(path).strip_prefix("/").ok()?;
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// `cpu.max`: `max 100000` or `20000 100000`. The root group has no such file.
fn quota_v2(group: &Path) -> Option<Quota> {
    let text = text(&group.join("cpu.max"), LONGEST)?;
    let mut fields = text.split_ascii_whitespace();
    quota(fields.next()?, fields.next()?)
}

/// `cpu.cfs_quota_us`, which is -1 without a limit, and `cpu.cfs_period_us`.
fn quota_v1(group: &Path) -> Option<Quota> {
    let micros = text(&group.join("cpu.cfs_quota_us"), LONGEST)?;
    if micros.starts_with('-') {
        return None; // Most groups have no limit: one file less to open.
    }
    let period = text(&group.join("cpu.cfs_period_us"), LONGEST)?;
    quota(micros.trim_ascii(), period.trim_ascii())
}

fn quota(micros: &str, period: &str) -> Option<Quota> {
    Some(Quota::new(micros.parse().ok()?, period.parse().ok()?))
}

/// The first of `names`, from the group upwards, that is a list with a CPU in it: an empty list
/// means that the group above decides.
fn cpuset(group: &Group, names: &[&str]) -> Option<CpuSet> {
    group.upwards().find_map(|group| {
        names.iter().find_map(|name| {
            let cpus: CpuSet = text(&group.join(name), LONGEST)?.parse().ok()?;
            Some(cpus).filter(|cpus| !cpus.is_empty())
        })
    })
}

/// The content of a file, if it can be read. Names of groups and mounts can have any bytes; what
/// is not UTF-8 is replaced, so that the other lines of the file can be used.
fn text(path: &Path, longest: usize) -> Option<String> {
    let content = files::read(path, longest).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}
