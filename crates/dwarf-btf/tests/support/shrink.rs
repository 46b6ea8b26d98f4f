//! Makes a failing file small, and prints it: what is left is what it takes.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dwarfgen::{Die, File, Value, at};

/// The smallest file found that still fails. `fails` may panic, which counts as no.
pub(crate) fn shrink(mut file: File, fails: impl Fn(&File) -> bool) -> File {
    let fails = |file: &File| catch_unwind(AssertUnwindSafe(|| fails(file))).unwrap_or(false);
    loop {
        let before = size(&file);
        for unit in (0..file.units.len()).rev() {
            let mut next = file.clone();
            next.units.remove(unit);
            if fails(&next) {
                file = next;
            }
        }
        for symbol in (0..file.symbols.len()).rev() {
            let mut next = file.clone();
            next.symbols.remove(symbol);
            if fails(&next) {
                file = next;
            }
        }
        for unit in 0..file.units.len() {
            let mut paths = Vec::new();
            collect(&file.units[unit].die, &mut Vec::new(), &mut paths);
            for path in paths.iter().rev() {
                for way in 0..4 {
                    let mut next = file.clone();
                    if without(&mut next.units[unit].die, path, way) && fails(&next) {
                        file = next;
                        break;
                    }
                }
            }
        }
        if size(&file) == before {
            return file;
        }
    }
}

fn size(file: &File) -> usize {
    let mut count = file.units.len() + file.symbols.len();
    for unit in &file.units {
        let mut paths = Vec::new();
        collect(&unit.die, &mut Vec::new(), &mut paths);
        count += paths.len();
    }
    count
}

/// Paths of all entries below, each before what is inside.
fn collect(die: &Die, path: &mut Vec<usize>, to: &mut Vec<Vec<usize>>) {
    for (index, child) in die.children.iter().enumerate() {
        path.push(index);
        to.push(path.clone());
        collect(child, path, to);
        path.pop();
    }
}

/// Takes an entry out. What referred to it refers to nothing, to what it referred to, or to the
/// first entry inside the unit; or its children take its place.
fn without(top: &mut Die, path: &[usize], way: usize) -> bool {
    let Some((&last, rest)) = path.split_last() else { return false };
    let mut parent = &mut *top;
    for &index in rest {
        let Some(next) = parent.children.get_mut(index) else { return false };
        parent = next;
    }
    if last >= parent.children.len() {
        return false;
    }
    let die = parent.children.remove(last);
    if way == 3 {
        if die.children.is_empty() {
            return false;
        }
        parent.children.splice(last..last, die.children.clone());
    }
    let to = match way {
        1 => die.attrs.iter().find_map(|(name, value)| match value {
            Value::Ref(label) if *name == at::TYPE => Some(label.clone()),
            _ => None,
        }),
        2 => top.children.first().and_then(|first| first.label.clone()),
        _ => None,
    };
    if (way == 1 || way == 2) && to.is_none() {
        return false;
    }
    let Some(label) = die.label else { return way == 0 || way == 3 };
    redirect(top, &label, to.as_deref());
    true
}

fn redirect(die: &mut Die, from: &str, to: Option<&str>) {
    die.attrs.retain_mut(|(_, value)| match value {
        Value::Ref(label) if label == from => match to {
            Some(to) => {
                to.clone_into(label);
                true
            }
            None => false,
        },
        _ => true,
    });
    die.children.iter_mut().for_each(|child| redirect(child, from, to));
}

/// A file as text: an entry in a line.
pub(crate) fn print(file: &File) -> String {
    let mut out = String::new();
    for symbol in &file.symbols {
        let _ = writeln!(out, "symbol {} {:#x}", symbol.name, symbol.value);
    }
    for unit in &file.units {
        let place = if unit.short_in_place { ", short ones in place" } else { "" };
        let wide = if unit.dwarf64 { ", wide" } else { "" };
        let (version, strings) = (unit.version, unit.strings);
        let _ = writeln!(out, "unit of DWARF {version}, strings {strings:?}{place}{wide}");
        unit.die.children.iter().for_each(|die| entry(die, 1, &mut out));
    }
    out
}

fn entry(die: &Die, depth: usize, out: &mut String) {
    let _ = write!(out, "{:1$}{2:#x}", "", depth * 2, die.tag);
    if let Some(label) = &die.label {
        let _ = write!(out, " <{label}>");
    }
    for (name, value) in &die.attrs {
        let _ = match value {
            Value::Text(text) => write!(out, " {:?}", String::from_utf8_lossy(text)),
            Value::Ref(label) => {
                write!(out, " {}-> {label}", if *name == at::TYPE { "" } else { "?" })
            }
            Value::Number(value) => write!(out, " {name:#x}={value}"),
            Value::Flag => write!(out, " {name:#x}"),
            other => write!(out, " {name:#x}={other:?}"),
        };
    }
    let _ = writeln!(out);
    die.children.iter().for_each(|die| entry(die, depth + 1, out));
}
