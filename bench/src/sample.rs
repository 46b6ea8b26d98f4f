//! Taking samples: rounds interleave all variants, and samples of which the hypervisor stole a
//! part are taken again. So are samples of fresh memory that took far longer than the fastest of
//! their kind: then the host had to find that memory first, in spite of the preparation.
//!
//! A B C A B C, not A A B B C C: a machine that becomes slower meanwhile then slows all variants,
//! and ratios of samples of one round hold (`Samples::ratio`).

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::Result;
use crate::report;
use crate::stats::Summary;

/// A sample counts if no more than this share of the machine's time was stolen meanwhile.
const STEAL_MAX: f64 = 0.02;

/// A sample of fresh memory counts if it took no more than this times the fastest so far. What is
/// measured varies by a few percent; memory that the host has taken makes it 2 to 3 times slower.
const SLOW_MAX: f64 = 1.5;

/// Rounds before the first one that counts, where memory is fresh: one of them may be slow.
const PREPARED_ROUNDS: usize = 2;

/// How often a sample is taken again before it counts as it is.
const REPEATS_MAX: usize = 3;

/// No round begins that would end later than this after the first sample: all is over within 5
/// minutes.
const TIME_MAX: Duration = Duration::from_secs(270);

/// No sample is taken again later than this.
const REPEATS_TIME_MAX: Duration = Duration::from_secs(200);

static FIRST_SAMPLE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How many rounds there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// So many, whatever the time they take.
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// No round beyond `least` begins if it would end later.
    pub(crate) budget: Duration,
}

/// What is measured, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant(usize);

/// Returns the seconds it took: what surrounds the work is not part of them.
type Measured<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// Comes before each sample, and what is stolen meanwhile does not matter.
type Prepare<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// Variants to be compared.
pub(crate) struct Plan<'a> {
    variants: Vec<(Prepare<'a>, Measured<'a>)>,
    /// Which of them were added with a preparation: those that need fresh memory.
    prepared: Vec<bool>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new() -> Self {
        Plan { variants: Vec::new(), prepared: Vec::new() }
    }

    /// One more variant; a round measures them in this order.
    pub(crate) fn add(&mut self, measure: impl FnMut() -> Result<f64> + 'a) -> Variant {
        let variant = self.add_prepared(|| Ok(()), measure);
        self.prepared[variant.0] = false;
        variant
    }

    /// One more, with something to do before each sample.
    pub(crate) fn add_prepared(
        &mut self,
        prepare: impl FnMut() -> Result<()> + 'a,
        measure: impl FnMut() -> Result<f64> + 'a,
    ) -> Variant {
        self.variants.push((Box::new(prepare), Box::new(measure)));
        self.prepared.push(true);
        Variant(self.variants.len() - 1)
    }

    /// Measures. The first round is thrown away: caches and memory are cold then, and a
    /// hypervisor may not have given the machine its memory yet.
    pub(crate) fn run(mut self, rounds: Rounds) -> Result<Samples> {
        let mut samples = Samples {
            seconds: vec![Vec::new(); self.variants.len()],
            repeated: 0,
            polluted: 0,
            slow: 0,
            fastest: vec![f64::INFINITY; self.variants.len()],
            steal: Steal::open(),
        };
        let first = *FIRST_SAMPLE;
        for (index, (prepare, measure)) in self.variants.iter_mut().enumerate() {
            for _ in 0..if self.prepared[index] { PREPARED_ROUNDS } else { 1 } {
                prepare()?;
                samples.fastest[index] = samples.fastest[index].min(measure()?);
            }
            if !self.prepared[index] {
                samples.fastest[index] = f64::INFINITY;
            }
        }
        let begin = Instant::now();
        let mut longest = Duration::ZERO;
        for round in 0..rounds.most {
            let elapsed = begin.elapsed();
            if round >= rounds.least && elapsed + longest > rounds.budget {
                break;
            }
            if first.elapsed() + longest > TIME_MAX {
                report::note(&format!("stopped after {round} rounds: there is no time for more"));
                break;
            }
            for (index, (prepare, measure)) in self.variants.iter_mut().enumerate() {
                let slow = SLOW_MAX * samples.fastest[index];
                let seconds = samples.clean(prepare, measure, slow)?;
                if self.prepared[index] {
                    samples.fastest[index] = samples.fastest[index].min(seconds);
                }
                samples.seconds[index].push(seconds);
            }
            longest = longest.max(begin.elapsed().saturating_sub(elapsed));
        }
        if samples.rounds() == 0 {
            return Err("not one round fits into the time".into());
        }
        Ok(samples)
    }
}

/// Seconds per variant and round.
#[derive(Debug)]
pub(crate) struct Samples {
    seconds: Vec<Vec<f64>>,
    repeated: usize,
    polluted: usize,
    /// Samples of fresh memory that were taken again.
    slow: usize,
    /// Of each variant, infinite where being slow means nothing.
    fastest: Vec<f64>,
    steal: Steal,
}

impl Samples {
    fn clean(
        &mut self,
        prepare: &mut Prepare<'_>,
        measure: &mut Measured<'_>,
        slow: f64,
    ) -> Result<f64> {
        let mut repeats = 0;
        loop {
            prepare()?;
            let (before, begin) = (self.steal.ticks(), Instant::now());
            let seconds = measure()?;
            let stolen = self.steal.ticks().saturating_sub(before);
            let is_stolen = self.steal.is_too_much(stolen, begin.elapsed());
            if !is_stolen && seconds <= slow {
                return Ok(seconds);
            }
            if repeats == REPEATS_MAX || FIRST_SAMPLE.elapsed() > REPEATS_TIME_MAX {
                self.polluted += 1;
                return Ok(seconds);
            }
            repeats += 1;
            self.repeated += usize::from(is_stolen);
            self.slow += usize::from(!is_stolen);
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.seconds.first().map_or(0, Vec::len)
    }

    pub(crate) fn summary(&self, variant: Variant) -> Summary {
        Summary::of(&self.seconds[variant.0])
    }

    /// How much longer one takes than another, per round.
    pub(crate) fn ratio(&self, over: Variant, under: Variant) -> Summary {
        Summary::of_ratios(&self.seconds[over.0], &self.seconds[under.0])
    }

    /// How the samples came about, below a table.
    pub(crate) fn footnote(&self) -> String {
        format!(
            "medians of {} interleaved rounds; ratios per round; {} samples repeated because of \
             steal, {} because the host was slow with fresh memory, {} kept in spite of it",
            self.rounds(),
            self.repeated,
            self.slow,
            self.polluted
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "rounds": self.rounds(),
            "repeated": self.repeated,
            "repeated_slow_memory": self.slow,
            "polluted": self.polluted,
        })
    }
}

/// How the samples of several plans came about, for one line below all their tables.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// The fewest and the most of a plan.
    rounds: Option<(usize, usize)>,
    repeated: usize,
    polluted: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, samples: &Samples) {
        let rounds = samples.rounds();
        let (fewest, most) = self.rounds.unwrap_or((rounds, rounds));
        self.rounds = Some((fewest.min(rounds), most.max(rounds)));
        self.repeated += samples.repeated;
        self.polluted += samples.polluted;
    }

    pub(crate) fn footnote(&self) -> String {
        let (fewest, most) = self.rounds.unwrap_or_default();
        format!(
            "medians of {fewest} to {most} interleaved rounds; ratios per round; {} samples \
             repeated because of steal, {} kept in spite of it",
            self.repeated, self.polluted
        )
    }

    pub(crate) fn json(&self) -> Value {
        let (fewest, most) = self.rounds.unwrap_or_default();
        json!({
            "rounds_min": fewest,
            "rounds_max": most,
            "repeated": self.repeated,
            "polluted": self.polluted,
        })
    }
}

/// The time that the hypervisor gave to others while this machine wanted to run.
#[derive(Clone, Copy, Debug)]
struct Steal {
    tick: Duration,
    cpus: f64,
}

impl Steal {
    fn open() -> Self {
        let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Steal { tick: Duration::from_secs(1) / per_second.max(1), cpus: cpu_lines(&stat) as f64 }
    }

    /// Ticks since the machine started, of all CPUs. None on a system that does not tell.
    fn ticks(self) -> u64 {
        fs::read_to_string("/proc/stat").ok().and_then(|stat| stolen(&stat)).unwrap_or(0)
    }

    fn is_too_much(self, ticks: u64, wall: Duration) -> bool {
        ticks as f64 * self.tick.as_secs_f64() > STEAL_MAX * wall.as_secs_f64() * self.cpus.max(1.0)
    }
}

/// The eighth number of the line of all CPUs (proc(5)).
fn stolen(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    line.split_whitespace().nth(7)?.parse().ok()
}

fn cpu_lines(stat: &str) -> usize {
    let names = stat.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| name.strip_prefix("cpu").is_some_and(|number| !number.is_empty())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4 5 6 7 8 9 10\n\
                        cpu1 9 18 27 36 45 54 63 72 81 90\nintr 5\n";

    #[test]
    fn steal_is_the_eighth_number() {
        assert_eq!(stolen(STAT), Some(80));
        assert_eq!(stolen("cpu  1 2 3\n"), None);
        assert_eq!(stolen(""), None);
        assert_eq!(cpu_lines(STAT), 2);
    }

    #[test]
    fn steal_counts_against_the_time_of_all_cpus() {
        let steal = Steal { tick: Duration::from_millis(10), cpus: 2.0 };
        let wall = Duration::from_secs(1);
        assert!(!steal.is_too_much(0, Duration::ZERO));
        assert!(!steal.is_too_much(4, wall));
        assert!(steal.is_too_much(5, wall));
        assert!(steal.is_too_much(1, wall / 10));
    }

    #[test]
    fn variants_take_turns() {
        let order = std::cell::RefCell::new(Vec::new());
        let mut plan = Plan::new();
        let mut add = |value: f64| {
            let order = &order;
            plan.add(move || {
                order.borrow_mut().push(value);
                Ok(value)
            })
        };
        let (a, b) = (add(1.0), add(2.0));
        let samples = plan.run(Rounds { least: 2, most: 2, budget: Duration::ZERO }).unwrap();
        assert_eq!(samples.rounds(), 2);
        assert_eq!(samples.ratio(b, a).median, 2.0);
        assert!(order.borrow().starts_with(&[1.0, 2.0, 1.0]));
    }
}
