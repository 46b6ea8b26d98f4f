//! The third step of a random tree: `modules.order`, `modules.builtin`, `modules.builtin.modinfo`,
//! `System.map`, `Module.symvers` and the configuration.

use super::drafts::{EXTERNAL_DIR, Plan};
use super::shape::Shape;
use crate::rng::Rng;
use crate::tree::{Content, ROOT, Tree, system_map_text};

pub(super) fn write(rng: &mut Rng, shape: &Shape, plan: &Plan, tree: &mut Tree) {
    tree.order = draw_order(rng, shape, tree);
    tree.builtin = draw_builtin(rng, shape);
    tree.builtin_modinfo = draw_builtin_modinfo(rng, shape);
    if rng.chance(1, 2) {
        let mut text = system_map_text(plan.vmlinux.iter().map(|(name, _)| name.as_str()));
        if shape.complaints && rng.chance(1, 4) {
            text.push_str("a line of another kind\nnospaces\nffffffff81000000 T no_newline");
        }
        tree.system_map = Some(text);
    }
    if rng.chance(1, 2) {
        tree.symvers = Some(draw_symvers(rng, shape, plan));
    }
    if shape.config {
        draw_config(rng, shape, plan, tree);
    }
}

/// All, some, or none of the paths, in another order, possibly repeated, amid unknown ones.
fn draw_order(rng: &mut Rng, shape: &Shape, tree: &Tree) -> Option<String> {
    if shape.complaints && rng.chance(1, 6) {
        return None;
    }
    let files = tree.modules.iter().filter(|file| !matches!(file.content, Content::Symlink(_)));
    let mut lines: Vec<String> = files.map(|file| file.path.clone()).collect();
    rng.shuffle(&mut lines);
    if rng.chance(1, 3) {
        lines.truncate(rng.below(lines.len() + 1));
    }
    if rng.chance(1, 3) && !lines.is_empty() {
        for _ in 0..rng.between(1, 4) {
            lines.push(rng.pick_ref(&lines).clone());
        }
    }
    if rng.chance(1, 4) {
        for odd in ["", "kernel/not/there.ko", "./kernel/ext0.ko", " kernel/a.ko", "kernel//a.ko"] {
            lines.insert(rng.below(lines.len() + 1), odd.to_owned());
        }
    }
    let mut text: String = lines.into_iter().map(|line| line + "\n").collect();
    if shape.complaints && rng.chance(1, 10) {
        // Without its last newline kmod ignores the whole file.
        text.pop();
    }
    Some(text)
}

fn draw_builtin(rng: &mut Rng, shape: &Shape) -> Option<String> {
    if shape.complaints && rng.chance(1, 6) {
        return None;
    }
    let mut text = String::new();
    for _ in 0..rng.below(12) {
        let number = rng.below(6);
        text += &match rng.below(if shape.complaints { 8 } else { 5 }) {
            0 => format!("kernel/lib/crc-{number}.ko\n"),
            1 => format!("kernel/drivers/tty/serial-{number}_core.ko\n"),
            2 => format!("mod_{number}.ko\n"),
            3 => format!("kernel/dotted.{number}.ko\n"),
            4 => format!("Kernel/no_suffix{number}\n"),
            5 => format!("/kernel/absolute{number}.ko\n"),
            6 => "\n".to_owned(),
            _ => format!("{number}kernel/digit.ko\n"),
        };
    }
    if rng.chance(1, 4) {
        text += "kernel/fs/no-newline.ko";
    }
    Some(text)
}

fn draw_builtin_modinfo(rng: &mut Rng, shape: &Shape) -> Option<Vec<u8>> {
    if shape.complaints && rng.chance(1, 6) {
        return None;
    }
    let mut bytes = Vec::new();
    for _ in 0..rng.below(16) {
        let number = rng.below(6);
        let entry = match rng.below(if shape.complaints { 11 } else { 8 }) {
            0 => format!("crc_{number}.license=GPL"),
            1 => format!("crc_{number}.alias=crc-{number}"),
            2 => format!("crc_{}.alias=crc-same", 5 - number),
            3 => format!("ser-core{number}.alias=pci:v*d0000{number}[a-f-]*"),
            4 => format!("ser_core.parm=alias.x:{number}"),
            5 => format!("ser_core.aliases=not-{number}"),
            6 => format!("a.b.alias=dotted-{number}"),
            7 => format!("mod_{number}.alias="),
            8 => format!("mod_{number}.alias=unmatched[{number}"),
            9 => "nodot".to_owned(),
            _ => "mod.noequals".to_owned(),
        };
        bytes.extend(entry.bytes());
        bytes.push(0);
    }
    if shape.complaints && rng.chance(1, 5) {
        bytes.extend(b"mod.alias=no-nul");
    }
    Some(bytes)
}

/// The kernel's exports and those of modules. A few CRCs are not what modules were built with.
fn draw_symvers(rng: &mut Rng, shape: &Shape, plan: &Plan) -> String {
    let mut text = String::new();
    for (name, crc) in &plan.vmlinux {
        let crc = if rng.chance(1, 5) { rng.next_u32() } else { *crc };
        text += &match rng.below(12) {
            0 => format!("0x{crc:08x} {name}  vmlinux EXPORT_SYMBOL_GPL\n"),
            1 => format!("{crc:x}\t{name}\tvmlinux\tEXPORT_SYMBOL\tNAMESPACE\n"),
            // Three fields: the newline sticks to `vmlinux`, so kmod skips the line.
            2 => format!("0x{crc:08x}\t{name}\tvmlinux\n"),
            _ => format!("0x{crc:08x}\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n"),
        };
    }
    for name in plan.exporters.keys().take(5) {
        text += &format!("0x{:08x}\t{name}\tdrivers/some\tEXPORT_SYMBOL\t\n", rng.next_u32());
    }
    if shape.complaints && rng.chance(1, 4) {
        text += "0xnothex\tbad_crc\tvmlinux\tEXPORT_SYMBOL\t\n\nonly two\n";
    }
    text
}

fn draw_config(rng: &mut Rng, shape: &Shape, plan: &Plan, tree: &mut Tree) {
    let mut text = String::new();
    if let Some(words) = &plan.search {
        text += &if words.len() > 1 && rng.chance(1, 4) {
            format!("search {}\\\n\t{}\n", words[0], words[1..].join(" "))
        } else {
            format!("search {}\n", words.join(" "))
        };
    }
    if plan.external_line {
        text += &format!("external * {ROOT}/{EXTERNAL_DIR}\n");
    }
    for _ in 0..rng.below(6).saturating_sub(2) {
        if plan.drafts.is_empty() {
            break;
        }
        let draft = rng.pick_ref(&plan.drafts);
        let version = rng.pick(&["*", "*", "^6\\.6", "6.6.0-random", "5\\.10", "("]);
        let dir = draft.dir.trim_end_matches('/');
        // The word is compared with the file name up to the first dot, dashes and all.
        let word = draft.stem.split('.').next().unwrap_or_default();
        if !dir.is_empty() {
            text += &format!("override {word} {version} {dir}\n");
        }
    }
    if rng.chance(1, 5) {
        text += &match tree.modules.len() {
            0 => "exclude wireless\n".to_owned(),
            count => {
                let path = tree.modules[rng.below(count)].file_path();
                let file = path.rsplit('/').next().unwrap_or_default();
                format!("exclude {file} {}\n", rng.pick(&["", "wireless", "no-such-thing"]))
            }
        };
    }
    if shape.complaints && rng.chance(1, 6) {
        text += rng.pick(&["bogus line\n", "override only-one\n", "external\n", "\\x search x\n"]);
    }
    if text.is_empty() {
        return;
    }
    text.insert_str(0, "# random configuration\n\n");
    tree.depmod_conf.push(("random.conf".to_owned(), text));
    if rng.chance(1, 4) {
        // Neither name is a configuration file's.
        tree.depmod_conf.push((".hidden.conf".to_owned(), "exclude kernel\n".to_owned()));
        tree.depmod_conf.push(("README".to_owned(), "exclude kernel\n".to_owned()));
    }
}
