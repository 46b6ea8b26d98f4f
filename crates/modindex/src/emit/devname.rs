//! modules.devname: device nodes that load a module when they are opened, for
//! systemd-tmpfiles and udevd.

use super::output::{Written, line};
use crate::diagnostic::{Diagnostic, Log};
use crate::merge::Index;
use crate::scan;
use crate::summary::Info;

/// `MODULE DEVNAME TYPE MAJOR:MINOR`; nothing at all if no module has a node.
pub(super) fn text(index: &Index<'_>, log: &mut Log<'_>) -> Written {
    let mut out = Vec::new();
    for (module, summary) in index.plan.modules.iter().zip(index.summaries) {
        let mut devname = None;
        let mut device = None;
        for alias in summary.infos(Info::Alias) {
            if let Some(name) = alias.strip_prefix(b"devname:") {
                devname = Some(name);
            } else if let Some(numbers) = device_numbers(alias, b"char-major-") {
                device = Some(("c", numbers));
            } else if let Some(numbers) = device_numbers(alias, b"block-major-") {
                device = Some(("b", numbers));
            }
            // The last of each, up to where there is one of each.
            if devname.is_some() && device.is_some() {
                break;
            }
        }
        let Some(devname) = devname else { continue };
        let Some((kind, (major, minor))) = device else {
            log(Diagnostic::Devname { module: module.name.clone(), devname: devname.into() });
            continue;
        };
        if out.is_empty() {
            line(&mut out, &[b"# Device nodes to trigger on-demand module loading."]);
        }
        let node = format!(" {kind}{major}:{minor}");
        line(&mut out, &[&module.name, b" ", devname, node.as_bytes()]);
    }
    Ok(out)
}

/// `PREFIX-MAJOR-MINOR…`, as scanf reads it.
fn device_numbers(alias: &[u8], prefix: &[u8]) -> Option<(u32, u32)> {
    let (major, rest) = scan::unsigned(alias.strip_prefix(prefix)?)?;
    let (minor, _) = scan::unsigned(rest.strip_prefix(b"-")?)?;
    Some((major, minor))
}
