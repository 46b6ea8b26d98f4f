//! Files that shrink, grow and stay while they are mapped, and what becomes of a SIGBUS that is not
//! ours. What ends a process, or needs it alone, happens in a child: this program again, with only
//! the test [`child`], told by a variable what to do.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use super::*;

/// A page, or several: as large as any that Linux has.
const PAGE: usize = 1 << 16;
const WHAT: &str = "KERNEL_ELF_MAP_CHILD";

/// A file of so many bytes, none of them zero, and a map of it.
fn file(len: usize) -> (tempfile::NamedTempFile, GuardedMap) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content(len)).unwrap();
    let map = GuardedMap::open(file.as_file()).unwrap();
    (file, map)
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(expected).collect()
}

fn expected(at: usize) -> u8 {
    (at % 251) as u8 + 1
}

/// From another handle than the map's.
fn resize(file: &tempfile::NamedTempFile, len: usize) {
    OpenOptions::new().write(true).open(file.path()).unwrap().set_len(len as u64).unwrap();
}

/// The bytes as they are now.
fn now(map: &GuardedMap) -> Vec<u8> {
    black_box(map.bytes()).to_vec()
}

#[test]
fn a_map_is_the_file() {
    for advice in [Advice::None, Advice::Sequential, Advice::WillNeed, Advice::Populate] {
        for len in [1, PAGE - 1, PAGE, 10 * PAGE + 3] {
            let (file, map) = file(len);
            let advised = GuardedMap::open_with(file.as_file(), advice).unwrap();
            drop(map);
            assert_eq!(now(&advised), content(len));
            advised.check().unwrap();
        }
    }
}

#[test]
fn what_cannot_be_mapped_is_an_error() {
    let (file, map) = file(1);
    resize(&file, 0);
    let kind = |file: &File| GuardedMap::open(file).unwrap_err().kind();
    assert_eq!(kind(file.as_file()), io::ErrorKind::InvalidInput);
    assert_eq!(kind(&File::open("/dev/zero").unwrap()), io::ErrorKind::InvalidInput);
    assert_eq!(kind(&File::open("/").unwrap()), io::ErrorKind::InvalidInput);
    assert_eq!(kind(&File::open("/proc/self/maps").unwrap()), io::ErrorKind::InvalidInput);
    let write_only = OpenOptions::new().write(true).open(file.path()).unwrap();
    resize(&file, 1);
    assert_eq!(kind(&write_only), io::ErrorKind::PermissionDenied);
    drop(map);
}

#[test]
fn where_a_file_has_shrunk_are_zeros_and_an_error() {
    for (before, after) in [(10 * PAGE, 0), (10 * PAGE + 7, 3 * PAGE), (5 * PAGE, 2 * PAGE + 10)] {
        let (file, map) = file(before);
        map.check().unwrap();
        resize(&file, after);
        let mut expected = content(after);
        expected.resize(before, 0);
        assert_eq!(now(&map), expected);
        let error = map.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a part of the file vanished, or could not be read, while it was mapped"
        );
        // It is not forgotten when the size is what it was.
        resize(&file, before);
        assert!(map.check().is_err());
    }
}

#[test]
fn another_size_is_an_error_also_if_nothing_was_missed() {
    for after in [PAGE + 1, PAGE + 3] {
        let (file, map) = file(PAGE + 2);
        resize(&file, after);
        assert_eq!(now(&map).len(), PAGE + 2);
        let words = format!("it had {} bytes, and {after} when it was read", PAGE + 2);
        assert_eq!(map.check().unwrap_err().to_string(), words);
    }
}

#[test]
fn a_file_that_shrinks_is_no_matter_for_other_maps() {
    let (file, outer) = file(8 * PAGE);
    let (other_file, other) = self::file(8 * PAGE);
    let inner = GuardedMap::open(file.as_file()).unwrap();
    resize(&file, PAGE);
    assert_eq!(now(&inner)[PAGE..], [0; 7 * PAGE]);
    drop(inner);
    // Nobody has touched it through this one.
    assert!(outer.check().unwrap_err().to_string().starts_with("it had "));
    assert_eq!(now(&outer)[PAGE..], [0; 7 * PAGE]);
    assert_eq!(now(&other), content(8 * PAGE));
    other.check().unwrap();
    // A slot that is used again has forgotten.
    drop((outer, other));
    let again = GuardedMap::open(other_file.as_file()).unwrap();
    again.check().unwrap();
}

#[test]
fn many_threads_may_touch_it_at_once() {
    const PAGES: usize = 128;
    let (file, map) = file(PAGES * PAGE);
    resize(&file, 5 * PAGE);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let map = &map;
            scope.spawn(move || {
                // From the end, from the start, and in other orders.
                for step in 0..PAGES {
                    let page = [PAGES - 1 - step, step, step * 53 % PAGES][thread % 3];
                    let byte = black_box(map.bytes())[page * PAGE + 17];
                    let expected =
                        if page < 5 { content(PAGES * PAGE)[page * PAGE + 17] } else { 0 };
                    assert_eq!(byte, expected, "page {page}");
                }
            });
        }
    });
    assert!(map.check().is_err());
    // Each touch must not leave a map of its own: there can be only 65,530 of them.
    let name = file.path().to_str().unwrap().to_owned();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert_eq!(maps.lines().filter(|line| line.ends_with(&name)).count(), 1);
}

/// Maps that come and go on many threads, while one of them after another shrinks.
#[test]
fn maps_come_and_go_while_files_shrink() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..200 {
                    let (file, map) = file(4 * PAGE);
                    let shrinks = (thread + round) % 2 == 0;
                    if shrinks {
                        resize(&file, PAGE);
                    }
                    assert_eq!(now(&map)[PAGE..] == [0; 3 * PAGE], shrinks);
                    assert_eq!(map.check().is_err(), shrinks);
                }
            });
        }
    });
}

#[test]
fn a_dropped_map_is_gone() {
    let (file, map) = file(3 * PAGE);
    let name = file.path().to_str().unwrap().to_owned();
    let mapped = || std::fs::read_to_string("/proc/self/maps").unwrap().contains(&name);
    assert!(mapped());
    resize(&file, PAGE);
    now(&map);
    drop(map);
    assert!(!mapped());
}

fn run_child(what: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "map::tests::child", "--nocapture"]).env(WHAT, what);
    command.output().unwrap().status
}

#[test]
fn the_table_of_maps_has_an_end_and_is_used_again() {
    assert!(run_child("many").success());
}

#[test]
fn a_sigbus_of_others_still_kills() {
    assert_eq!(run_child("other's map").signal(), Some(libc::SIGBUS));
    assert_eq!(run_child("other's map, default").signal(), Some(libc::SIGBUS));
    assert_eq!(run_child("other's map, ignored").signal(), Some(libc::SIGBUS));
    assert_eq!(run_child("sent, default").signal(), Some(libc::SIGBUS));
    assert!(run_child("sent, ignored").success());
}

#[test]
fn a_handler_that_was_there_gets_what_is_not_ours() {
    assert_eq!(run_child("other's map, handler").code(), Some(41));
    assert_eq!(run_child("other's map, long handler").code(), Some(42));
}

extern "C" fn exit_41(signal: c_int) {
    // SAFETY: may be called in a handler.
    unsafe { libc::_exit(if signal == libc::SIGBUS { 41 } else { 1 }) }
}

extern "C" fn exit_42(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the pointer is the kernel's.
    let right = unsafe { (*info).si_code == BUS_ADRERR && !(*info).si_addr().is_null() };
    let right = right && signal == libc::SIGBUS && !context.is_null();
    // SAFETY: may be called in a handler.
    unsafe { libc::_exit(if right { 42 } else { 1 }) }
}

fn handle(handler: libc::sighandler_t, flags: c_int) {
    // SAFETY: the handlers above do nothing that they may not do.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()), 0);
    }
}

/// What a child does; nothing in any other run.
#[test]
fn child() {
    let Ok(what) = std::env::var(WHAT) else { return };
    if what == "many" {
        return many();
    }
    match what.split(", ").nth(1) {
        Some("default") => handle(libc::SIG_DFL, 0),
        Some("ignored") => handle(libc::SIG_IGN, 0),
        Some("handler") => handle(exit_41 as extern "C" fn(c_int) as usize, 0),
        Some("long handler") => handle(exit_42 as Handler as usize, libc::SA_SIGINFO),
        _ => {}
    }
    let (file, map) = file(2 * PAGE);
    resize(&file, 0);
    assert_eq!(now(&map), [0; 2 * PAGE]);
    if what.starts_with("sent") {
        // SAFETY: takes a number.
        unsafe { libc::raise(libc::SIGBUS) };
        return;
    }
    let (other, kept) = self::file(2 * PAGE);
    let start = super::map(other.as_file(), 2 * PAGE, Advice::None).unwrap();
    drop(kept);
    resize(&other, 0);
    // SAFETY: the map is there; that the file is not raises the signal, which is what is asked for.
    black_box(unsafe { start.as_ptr().read_volatile() });
}

fn many() {
    let (file, first) = file(3 * PAGE);
    let mut maps = vec![first];
    let error = loop {
        match GuardedMap::open(file.as_file()) {
            Ok(map) => maps.push(map),
            Err(error) => break error,
        }
    };
    assert_eq!((maps.len(), error.kind()), (MAPS_MAX, io::ErrorKind::OutOfMemory));
    maps.remove(500);
    maps.push(GuardedMap::open(file.as_file()).unwrap());
    assert!(GuardedMap::open(file.as_file()).is_err());
    resize(&file, PAGE);
    for map in &maps {
        assert_eq!(now(map)[PAGE..], [0; 2 * PAGE]);
        assert!(map.check().is_err());
    }
}

/// Bytes of a map that are in memory, as the kernel counts them.
fn resident(map: &GuardedMap) -> usize {
    let start = format!("{:x}-", map.bytes().as_ptr().addr());
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let ours = smaps.lines().skip_while(|line| !line.starts_with(&start));
    let words = ours.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
    words.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn what_is_released_is_read_again() {
    let len = 64 * PAGE;
    let (_file, map) = file(len);
    assert_eq!(now(&map), content(len));
    assert!(resident(&map) >= len);
    // Whole pages within: those at the borders stay.
    map.release(&map.bytes()[1..len - 1]);
    assert!(resident(&map) <= 2 * PAGE);
    assert_eq!(now(&map), content(len));
    // Of no map, or of no whole page: nothing happens.
    map.release(b"somebody else's");
    map.release(&map.bytes()[1..PAGE.min(4096)]);
    map.release(&[]);
    assert!(resident(&map) >= len);
    assert_eq!(now(&map), content(len));
    map.check().unwrap();
}
