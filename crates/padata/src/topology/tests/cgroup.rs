//! [`cgroup::read`](crate::topology::cgroup::read) in systems of version 1, version 2 and both.

use std::num::NonZeroU64;

use super::tree;
use crate::topology::cgroup::{self, CpuLimits, Quota};

/// The limits of a process that sees these files.
fn read(files: &[(&str, &str)]) -> CpuLimits {
    cgroup::read(tree("", files.iter().copied()).path())
}

/// The quota of a process that sees these files, in microseconds and period.
fn quota(files: &[(&str, &str)]) -> Option<(u64, u64)> {
    read(files).quota.map(|quota| (quota.micros(), quota.period_micros().get()))
}

/// The cpuset of a process that sees these files.
fn cpuset(files: &[(&str, &str)]) -> Option<String> {
    read(files).cpuset.map(|cpus| cpus.to_string())
}

const V2: (&str, &str) = ("proc/self/cgroup", "0::/user.slice/session:1.scope\n");
const V2_IS_THERE: (&str, &str) =
    ("sys/fs/cgroup/user.slice/session:1.scope/cgroup.controllers", "cpu memory\n");

#[test]
fn whole_cpus_of_a_quota() {
    let cpus = |micros, period| {
        let quota = Quota::new(micros, NonZeroU64::new(period).unwrap());
        (quota.cpus().get(), quota.ratio())
    };
    assert_eq!(cpus(20_000, 100_000), (1, 0.2));
    assert_eq!(cpus(0, 100_000), (1, 0.0));
    assert_eq!(cpus(100_000, 100_000), (1, 1.0));
    assert_eq!(cpus(399_999, 100_000).0, 3);
    assert_eq!(cpus(100_000, 25_000), (4, 4.0));
    assert_eq!(cpus(u64::MAX, 1).0 as u64, u64::MAX);
}

#[test]
fn the_tightest_quota_of_version_2() {
    let group = ("sys/fs/cgroup/user.slice/session:1.scope/cpu.max", "150000 100000\n");
    let above = |quota| ("sys/fs/cgroup/user.slice/cpu.max", quota);
    assert_eq!(quota(&[V2, V2_IS_THERE, group]), Some((150_000, 100_000)));
    assert_eq!(
        quota(&[V2, V2_IS_THERE, group, above("max 100000\n")]),
        Some((150_000, 100_000)),
        "max is no limit"
    );
    assert_eq!(
        quota(&[V2, V2_IS_THERE, group, above("60000 50000\n")]),
        Some((60_000, 50_000)),
        "1.2 CPUs are less than 1.5"
    );
    assert_eq!(
        quota(&[V2, V2_IS_THERE, group, above("90000 50000\n")]),
        Some((150_000, 100_000)),
        "1.8 CPUs are more than 1.5"
    );
    let container = [
        ("proc/self/cgroup", "0::/\n"),
        ("sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("sys/fs/cgroup/cpu.max", "20000 100000\n"),
    ];
    assert_eq!(quota(&container), Some((20_000, 100_000)), "its group looks like the root");
}

#[test]
fn groups_above_without_the_group_itself() {
    // The cpu controller need not be on down to the group of the process.
    let above = ("sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n");
    assert_eq!(quota(&[V2, V2_IS_THERE, above]), Some((300_000, 100_000)));
    let beside = ("sys/fs/cpu.max", "100000 100000\n");
    assert_eq!(quota(&[V2, V2_IS_THERE, beside]), None, "above the mount point are no groups");
}

#[test]
fn what_cannot_be_read_is_no_limit() {
    assert_eq!(read(&[]), CpuLimits::default());
    assert_eq!(read(&[V2]), CpuLimits::default());
    assert_eq!(read(&[V2, V2_IS_THERE]), CpuLimits::default());
    for lines in ["", "\n", "0:", "::", "0::relative", "0::/../other", "0::/user.slice/../x", "x"] {
        let wrong = ("proc/self/cgroup", lines);
        let limit = ("sys/fs/cgroup/cpu.max", "1 1");
        let other = ("sys/fs/other/cgroup.controllers", "");
        assert_eq!(read(&[wrong, V2_IS_THERE, other, limit]), CpuLimits::default(), "{lines}");
    }
    for text in ["", "max", "20000", "x 100000", "20000 x", "20000 0", "-1 100000", "1e5 100000"] {
        let group = ("sys/fs/cgroup/user.slice/session:1.scope/cpu.max", text);
        assert_eq!(quota(&[V2, V2_IS_THERE, group]), None, "{text}");
    }
    for list in ["", "\n", "x", "3-0", "70000"] {
        let group = ("sys/fs/cgroup/user.slice/session:1.scope/cpuset.cpus.effective", list);
        assert_eq!(cpuset(&[V2, V2_IS_THERE, group]), None, "{list}");
    }
}

#[test]
fn the_nearest_cpuset_of_version_2() {
    let group = |list| ("sys/fs/cgroup/user.slice/session:1.scope/cpuset.cpus.effective", list);
    let above = ("sys/fs/cgroup/user.slice/cpuset.cpus.effective", "0-5\n");
    let top = ("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
    let seen = |list| cpuset(&[V2, V2_IS_THERE, group(list), above, top]);
    assert_eq!(seen("2-3\n"), Some("2-3".to_owned()));
    assert_eq!(seen("\n"), Some("0-5".to_owned()));
    assert_eq!(cpuset(&[V2, V2_IS_THERE, top]), Some("0-7".to_owned()));
}

const V1: (&str, &str) = (
    "proc/self/cgroup",
    "12:cpuset:/a\n5:cpu,cpuacct:/a/b\n4:memory:/m\n1:name=systemd:/init.scope\n",
);
const V1_IS_THERE: (&str, &str) = ("sys/fs/cgroup/cpu,cpuacct/a/b/cgroup.procs", "1\n");

#[test]
fn the_tightest_quota_of_version_1() {
    let group = |quota| ("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", quota);
    let period = |period| ("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", period);
    let above = ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "400000\n");
    let above_period = ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    let top = ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    let top_period = ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    let of = |micros, per| {
        let group = [V1, V1_IS_THERE, group(micros), period(per)];
        quota(&[&group[..], &[above, above_period, top, top_period]].concat())
    };
    assert_eq!(of("20000\n", "100000\n"), Some((20_000, 100_000)));
    assert_eq!(of("800000\n", "100000\n"), Some((400_000, 100_000)));
    for (micros, period) in [("-1\n", "100000\n"), ("20000\n", "0\n"), ("x", "1"), ("1", "x")] {
        assert_eq!(of(micros, period), Some((400_000, 100_000)), "{micros} in {period}");
    }
    assert_eq!(quota(&[V1, V1_IS_THERE, group("20000"), top, top_period]), None, "no period");

    let other_place = [
        ("proc/self/cgroup", "1:cpu:/\n"),
        ("sys/fs/cgroup/cpu/cgroup.procs", ""),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "1000"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "500"),
    ];
    assert_eq!(quota(&other_place), Some((1000, 500)));
}

#[test]
fn the_nearest_cpuset_of_version_1() {
    let is_there = ("sys/fs/cgroup/cpuset/a/cgroup.procs", "");
    let effective = ("sys/fs/cgroup/cpuset/a/cpuset.effective_cpus", "1\n");
    let wanted = ("sys/fs/cgroup/cpuset/a/cpuset.cpus", "1-2\n");
    let top = ("sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
    assert_eq!(cpuset(&[V1, is_there, effective, wanted, top]), Some("1".to_owned()));
    assert_eq!(cpuset(&[V1, is_there, wanted, top]), Some("1-2".to_owned()));
    assert_eq!(cpuset(&[V1, is_there, top]), Some("0-3".to_owned()));
}

#[test]
fn both_versions_at_once() {
    let system = [
        ("proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/\n0::/x\n"),
        ("sys/fs/cgroup/cpuset/cgroup.procs", ""),
        ("sys/fs/cgroup/cpuset/cpuset.cpus", "0-3"),
        ("sys/fs/cgroup/cpu/cgroup.procs", ""),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
        ("sys/fs/cgroup/unified/x/cgroup.controllers", ""),
    ];
    let with = |max, list| {
        let unified = [
            ("sys/fs/cgroup/unified/cpu.max", max),
            ("sys/fs/cgroup/unified/x/cpuset.cpus.effective", list),
        ];
        let limits = read(&[&system[..], &unified].concat());
        (limits.quota.unwrap().cpus().get(), limits.cpuset.unwrap().to_string())
    };
    assert_eq!(with("100000 100000", "2-5"), (1, "2-3".to_owned()));
    assert_eq!(with("300000 100000", ""), (2, "0-3".to_owned()));
    assert_eq!(with("max 100000", "4-5"), (2, "0-3".to_owned()), "they cannot both be right");
}

#[test]
fn mounted_in_other_places() {
    let groups = ("proc/self/cgroup", "7:cpuset,cpu:/docker/12ab/job\n0::/docker/12ab\n");
    // The mounts show the container's group, as /docker/12ab in the host's tree; some are not
    // about us.
    let mounts = (
        "proc/self/mountinfo",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
         nonsense\n\
         21 20 0:30 /docker/other /other ro - cgroup cgroup rw,cpuset,cpu\n\
         22 20 0:30 /docker/12ab /not\\040there ro - cgroup cgroup rw,cpuset,cpu\n\
         23 20 0:31 /docker/12ab /memory ro - cgroup cgroup rw,memory\n\
         24 20 8:2 / /copy rw - ext4 /dev/sda2 rw,cpuset,cpu\n\
         24 20 0:30 /docker/12ab /dev/c\\134g\\040\\477 ro a:1 b:2 - cgroup cgroup rw,cpuset,cpu\n\
         25 20 0:29 /../outside /dev/cgroup3 ro - cgroup2 cgroup rw\n\
         26 20 0:29 / /dev/cgroup2 ro - cgroup2 cgroup rw,nsdelegate\n",
    );
    let files = [
        groups,
        mounts,
        ("dev/c\\g \\477/job/cgroup.procs", ""),
        ("dev/c\\g \\477/job/cpu.cfs_quota_us", "-1"),
        ("dev/c\\g \\477/cpu.cfs_quota_us", "70000"),
        ("dev/c\\g \\477/cpu.cfs_period_us", "10000"),
        ("dev/c\\g \\477/cpuset.cpus", "0-1"),
        ("dev/cgroup2/docker/12ab/cgroup.controllers", ""),
        ("dev/cgroup2/cpu.max", "80000 10000"),
        ("copy/docker/12ab/job/cgroup.procs", ""),
        ("copy/docker/12ab/job/cpu.cfs_quota_us", "1"),
        ("copy/docker/12ab/job/cpu.cfs_period_us", "1"),
        ("copy/docker/12ab/cgroup.controllers", ""),
        ("copy/docker/12ab/cpu.max", "1 1"),
        ("memory/job/cgroup.procs", ""),
        ("memory/job/cpu.cfs_quota_us", "1"),
        ("memory/job/cpu.cfs_period_us", "1"),
    ];
    assert_eq!(quota(&files), Some((70_000, 10_000)));
    assert_eq!(cpuset(&files), Some("0-1".to_owned()));
    let tighter = ("dev/cgroup2/docker/12ab/cpu.max", "60000 10000");
    assert_eq!(quota(&[&files[..], &[tighter]].concat()), Some((60_000, 10_000)));
}

#[test]
fn the_usual_places_come_first() {
    let there = [
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", "26 20 0:29 / /elsewhere ro - cgroup2 cgroup rw\n"),
        ("elsewhere/cgroup.controllers", ""),
        ("elsewhere/cpu.max", "1 1"),
    ];
    assert_eq!(quota(&there), Some((1, 1)));
    let usual = [("sys/fs/cgroup/cgroup.controllers", ""), ("sys/fs/cgroup/cpu.max", "2 1")];
    assert_eq!(quota(&[&there[..], &usual].concat()), Some((2, 1)));
}

#[test]
fn names_that_are_no_text() {
    let files: [(&str, &[u8]); 4] = [
        ("proc/self/cgroup", b"2:cpu:/\n0::/\xff\n"),
        ("sys/fs/cgroup/cpu/cgroup.procs", b""),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", b"3"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", b"1"),
    ];
    let quota = cgroup::read(tree("", files).path()).quota;
    assert_eq!(quota.map(|quota| quota.micros()), Some(3));
}
