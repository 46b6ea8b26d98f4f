//! What there is to know about the machine, for whoever reads the numbers later.

use std::fs;
use std::path::Path;

use padata::topology::Topology;
use serde_json::{Value, json};

use crate::error::{Context, Result};

/// The CPUs this process may run on.
pub(crate) fn cpus() -> Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None).context(|| "sched_getaffinity".to_owned())?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// The machine, for the head of a report. What cannot be read is null.
pub(crate) fn describe() -> Result<Value> {
    let uname = rustix::system::uname();
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let topology = Topology::read(Path::new("/")).ok();
    Ok(json!({
        "cpus": cpus()?.len(),
        "available_threads": padata::available_threads().get(),
        "cores": topology.as_ref().map(|topology| topology.cores().len()),
        "nodes": topology.as_ref().map(|topology| topology.nodes().len()),
        "kernel": uname.release().to_string_lossy(),
        "arch": uname.machine().to_string_lossy(),
        "cpu_model": field(&text("/proc/cpuinfo"), "model name"),
        "thp": chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled")),
        "thp_defrag": chosen(&text("/sys/kernel/mm/transparent_hugepage/defrag")),
        "free_page_reporting": reports_free_pages(),
        "mem_available_mib": mem_available().map(|bytes| bytes >> 20),
    }))
}

/// Whether this is a virtual machine that gives free memory back to its host
/// (`VIRTIO_BALLOON_F_REPORTING`, bit 5 of the balloon's features).
pub(crate) fn reports_free_pages() -> bool {
    let devices = fs::read_dir("/sys/bus/virtio/drivers/virtio_balloon").into_iter().flatten();
    let features = devices
        .flatten()
        .filter_map(|device| fs::read_to_string(device.path().join("features")).ok());
    features.into_iter().any(|features| features.as_bytes().get(5) == Some(&b'1'))
}

/// Bytes that can be had without swapping.
pub(crate) fn mem_available() -> Option<u64> {
    let kib = kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")?;
    Some(kib << 10)
}

/// KiB of this process that are locked.
pub(crate) fn locked_kib() -> Result<u64> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path).context(|| path.to_owned())?;
    kib(&status, "VmLck").ok_or_else(|| format!("{path} has no VmLck").into())
}

/// The value of a line such as `MemFree:   123 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The word in brackets: what is chosen among several.
fn chosen(text: &str) -> Option<&str> {
    Some(text.split_once('[')?.1.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen("always"), None);
        assert_eq!(field("x\nmodel name\t: AMD EPYC\n", "model name"), Some("AMD EPYC"));
        let status = "VmLckX:\t 9 kB\nVmLck:\t   12 kB\n";
        assert_eq!(kib(status, "VmLck"), Some(12));
        assert_eq!(kib(status, "VmPin"), None);
    }
}
