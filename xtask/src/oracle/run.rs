//! One run of one depmod: what it said, how it ended, and what it left on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::error::Context;
use crate::files;

/// Longer than any run takes; a run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// More than any run prints (`-v` on a kernel: 5 MB).
const MOST_SAID: u64 = 64 << 20;

/// A depmod.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) path: PathBuf,
}

/// A command line and where it is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) env: Vec<(String, String)>,
}

/// A regular file or link that a run left, relative to the directory that was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Permission bits; 0 for a link.
    pub(crate) mode: u32,
    /// Bytes, or the target.
    pub(crate) bytes: Vec<u8>,
}

/// All there is to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `exit 1` or `signal 6`.
    pub(crate) status: String,
    pub(crate) crashed: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Files that are new or changed.
    pub(crate) files: BTreeMap<String, Left>,
}

impl Tool {
    /// Runs it. Both tools are called `depmod`, so that what getopt says needs no adjusting, and
    /// neither sees more of the environment than it must.
    pub(crate) fn run(&self, call: &Call) -> Result<Outcome> {
        let mut command = Command::new(&self.path);
        command.arg0("depmod").args(&call.args).current_dir(&call.cwd);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(call.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(|| format!("running {}", self.path.display()))?;
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let status = wait(&mut child)?;
        let [stdout, stderr] = [stdout, stderr].map(|it| it.join().unwrap_or_default());
        Ok(Outcome {
            status: match (status, status.and_then(|status| status.code())) {
                (None, _) => "hang".to_owned(),
                (Some(_), Some(code)) => format!("exit {code}"),
                (Some(status), None) => format!("signal {}", status.signal().unwrap_or(0)),
            },
            crashed: status.is_some_and(|status| status.code().is_none()),
            stdout,
            stderr,
            files: BTreeMap::new(),
        })
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error counts. Dropping the pipe stops a writer that never
            // ends.
            let _ = pipe.take(MOST_SAID).read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits; `None` if it had to be killed.
fn wait(child: &mut Child) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// A directory before a run: tells afterwards what the run did, and undoes it.
#[derive(Debug)]
pub(crate) struct Before {
    dir: PathBuf,
    dirs: BTreeSet<PathBuf>,
    states: BTreeMap<PathBuf, (State, Option<Left>)>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

impl State {
    fn of(path: &Path) -> Result<Self> {
        let metadata =
            fs::symlink_metadata(path).context(|| format!("reading {}", path.display()))?;
        Ok(State {
            inode: metadata.ino(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        })
    }
}

impl Before {
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        let mut states = BTreeMap::new();
        let (files, dirs) = files::walk_all(dir)?;
        for relative in files {
            let path = dir.join(&relative);
            // Only the lists beside the modules can be overwritten; keep what they say.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let content = name.starts_with("modules.").then(|| read(&path)).transpose()?;
            states.insert(relative, (State::of(&path)?, content));
        }
        Ok(Before { dir: dir.to_owned(), dirs: dirs.into_iter().collect(), states })
    }

    /// What is new or other than before. The name of a directory ends in a slash.
    pub(crate) fn changes(&self) -> Result<BTreeMap<String, Left>> {
        let mut changes = BTreeMap::new();
        let (files, dirs) = files::walk_all(&self.dir)?;
        for relative in dirs.iter().filter(|relative| !self.dirs.contains(*relative)) {
            let name = format!("{}/", relative.display());
            changes.insert(name, read(&self.dir.join(relative))?);
        }
        for relative in files {
            let path = self.dir.join(&relative);
            let now = State::of(&path)?;
            if self.states.get(&relative).is_none_or(|(before, _)| *before != now) {
                changes.insert(relative.to_string_lossy().into_owned(), read(&path)?);
            }
        }
        Ok(changes)
    }

    /// Makes it so that nothing has changed.
    pub(crate) fn restore(&self) -> Result<()> {
        let (files, dirs) = files::walk_all(&self.dir)?;
        for relative in files {
            let path = self.dir.join(&relative);
            match self.states.get(&relative) {
                Some((before, _)) if *before == State::of(&path)? => {}
                _ => fs::remove_file(&path)?,
            }
        }
        // Children first.
        for relative in dirs.iter().rev().filter(|relative| !self.dirs.contains(*relative)) {
            fs::remove_dir(self.dir.join(relative))?;
        }
        for (relative, (_, content)) in &self.states {
            let path = self.dir.join(relative);
            if let (Some(left), Err(_)) = (content, fs::symlink_metadata(&path)) {
                files::create_parent(&path)?;
                fs::write(&path, &left.bytes)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(left.mode))?;
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Left> {
    let metadata = fs::symlink_metadata(path).context(|| format!("reading {}", path.display()))?;
    if metadata.is_symlink() {
        let target = fs::read_link(path)?.into_os_string();
        return Ok(Left { mode: 0, bytes: target.to_string_lossy().as_bytes().to_vec() });
    }
    if !metadata.is_file() {
        return Ok(Left { mode: metadata.mode(), bytes: Vec::new() });
    }
    let bytes = fs::read(path).context(|| format!("reading {}", path.display()))?;
    Ok(Left { mode: metadata.mode() & 0o7777, bytes })
}
