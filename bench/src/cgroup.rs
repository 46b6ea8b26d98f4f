//! A control group with a CPU quota, below that of this process, for as long as it is needed.
//!
//! Version 1 has a hierarchy for the cpu controller, version 2 one for all; a system may mount
//! both, then the controller is in the first (cgroup(7)). The kernel's names: `cpu.cfs_quota_us`
//! and `cpu.cfs_period_us`, or `cpu.max`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use crate::error::{Context, Result};

/// The kernel's default period.
const PERIOD_US: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// A group that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    dir: PathBuf,
    is_there: bool,
}

impl Group {
    /// A group whose processes together get `quota` CPUs' time.
    ///
    /// # Errors
    /// If there is no cpu controller that this process may use.
    pub(crate) fn with_quota(quota: f64) -> Result<Group> {
        let read = |path: &str| fs::read_to_string(path).context(|| path.to_owned());
        let places = places(&read("/proc/mounts")?, &read("/proc/self/cgroup")?);
        let mut refusals = Vec::new();
        for (version, parent) in places {
            match Group::below(version, &parent, quota) {
                Ok(group) => return Ok(group),
                Err(error) => refusals.push(format!("{}: {error}", parent.display())),
            }
        }
        let why = if refusals.is_empty() { "none is mounted".into() } else { refusals.join("; ") };
        Err(format!("no control group with a CPU quota can be made here ({why})").into())
    }

    fn below(version: Version, parent: &Path, quota: f64) -> Result<Group> {
        // Both experiments of this process: the quota is part of the name.
        let dir = parent.join(format!("padata-bench-{}-{quota}", process::id()));
        fs::create_dir(&dir).context(|| "making a group".to_owned())?;
        let group = Group { dir, is_there: true };
        let quota_us = (quota * PERIOD_US as f64) as u64;
        match version {
            Version::V1 => {
                group.write("cpu.cfs_period_us", &PERIOD_US.to_string())?;
                group.write("cpu.cfs_quota_us", &quota_us.to_string())?;
            }
            Version::V2 => {
                if !group.dir.join("cpu.max").exists() {
                    let path = parent.join("cgroup.subtree_control");
                    fs::write(path, "+cpu").context(|| "cgroup.subtree_control".to_owned())?;
                }
                group.write("cpu.max", &format!("{quota_us} {PERIOD_US}"))?;
            }
        }
        Ok(group)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.dir.join(file), text).context(|| file.to_owned())
    }

    /// The file into which a process writes its number to move there.
    pub(crate) fn procs(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// Removes it; its processes must have ended.
    pub(crate) fn remove(mut self) -> Result<()> {
        self.try_remove().context(|| format!("removing {}", self.dir.display()))
    }

    fn try_remove(&mut self) -> std::io::Result<()> {
        // A process that has just ended may be in it for a moment.
        for _ in 0..50 {
            if fs::remove_dir(&self.dir).is_ok() {
                self.is_there = false;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        fs::remove_dir(&self.dir)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_there {
            // On the way out because of another error, which is the one to be told.
            let _ = self.try_remove();
        }
    }
}

/// Moves this process, which must not have started threads, into a group.
pub(crate) fn enter(procs: &Path) -> Result<()> {
    let pid = process::id().to_string();
    fs::write(procs, pid).context(|| format!("moving into {}", procs.display()))
}

/// The groups below which to try, best first: that of this process, then, for version 2, the one
/// above: a group of version 2 that has processes cannot have groups with controllers.
fn places(mounts: &str, own: &str) -> Vec<(Version, PathBuf)> {
    let mut places = Vec::new();
    for (version, mount) in mounts.lines().filter_map(mount_point) {
        let Some(group) = own.lines().find_map(|line| own_group(version, line)) else { continue };
        // A container may show its own group as the root of the mount.
        let mut dir = mount.join(group);
        if !dir.is_dir() {
            dir.clone_from(&mount);
        }
        let above = dir.parent().filter(|_| version == Version::V2 && dir != mount);
        let above = above.map(Path::to_owned);
        places.push((version, dir));
        places.extend(above.map(|above| (version, above)));
    }
    places.sort_by_key(|(version, _)| *version == Version::V2);
    places
}

/// The mount point of a line of `/proc/mounts`, if the cpu controller may be there.
fn mount_point(line: &str) -> Option<(Version, PathBuf)> {
    let mut fields = line.split(' ').skip(1);
    let (dir, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
    let version = match kind {
        "cgroup2" => Version::V2,
        "cgroup" if options.split(',').any(|option| option == "cpu") => Version::V1,
        _ => return None,
    };
    Some((version, PathBuf::from(dir.replace("\\040", " "))))
}

/// The group in a line of `/proc/self/cgroup`, relative to the mount.
fn own_group(version: Version, line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let is_it = match version {
        Version::V1 => controllers.split(',').any(|controller| controller == "cpu"),
        Version::V2 => number == "0" && controllers.is_empty(),
    };
    is_it.then(|| path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_has_a_hierarchy_for_the_controller() {
        let mounts = "proc /proc proc rw 0 0\n\
                      cgroup2 /nowhere/unified cgroup2 rw 0 0\n\
                      cgroup /nowhere/cpuset cgroup rw,cpuset 0 0\n\
                      cgroup /nowhere/my\\040cpu cgroup rw,relatime,cpu,cpuacct 0 0\n";
        let own = "9:name=systemd:/\n4:cpuset:/x\n3:cpu,cpuacct:/\n0::/\n";
        let expected = [
            (Version::V1, PathBuf::from("/nowhere/my cpu")),
            (Version::V2, PathBuf::from("/nowhere/unified")),
        ];
        assert_eq!(places(mounts, own), expected);
        assert!(places("proc /proc proc rw 0 0\n", own).is_empty());
    }

    #[test]
    fn version_2_tries_the_group_above_as_well() {
        let mount = tempfile::tempdir().unwrap();
        let own = mount.path().join("user/session");
        fs::create_dir_all(&own).unwrap();
        let mounts = format!("cgroup2 {} cgroup2 rw 0 0\n", mount.path().display());
        let found = places(&mounts, "0::/user/session\n");
        let above = mount.path().join("user");
        assert_eq!(found, [(Version::V2, own), (Version::V2, above)]);
    }

    #[test]
    fn groups_are_found_by_controller() {
        assert_eq!(own_group(Version::V1, "3:cpu,cpuacct:/a/b"), Some("a/b"));
        assert_eq!(own_group(Version::V1, "4:cpuset:/a"), None);
        assert_eq!(own_group(Version::V2, "0::/a:b"), Some("a:b"));
        assert_eq!(own_group(Version::V2, "9:name=systemd:/"), None);
    }
}
