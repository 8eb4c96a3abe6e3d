//! Real processes killed at random moments of an operator's work, and started again: what `oracle` demands
//! holds on the hosted backend and on seL4 as it does in the simulator.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::appliance::{Appliance, TIMEOUT};
use crate::operator::{Gone, Operator, Wire};
use crate::oracle::Oracle;

/// The environment variable that says how many times to kill each appliance.
pub const KILLS: &str = "TOTEBOX_KILLS";

/// How long a line is silent before the operator asks again. Nothing is lost on these lines, so that this is
/// for none but the slowest machines.
const SILENCE: Duration = Duration::from_secs(10);

/// Kills of one appliance, before the next begins with an empty disk.
const KILLS_MAX: u64 = 50;

/// The line to an appliance that is killed at a moment.
struct Line {
    stream: UnixStream,
    kill_at: Option<Instant>,
    /// When it last said something.
    heard: Instant,
}

impl Line {
    fn new(stream: UnixStream, kill_at: Option<Instant>) -> Line {
        Line { stream, kill_at, heard: Instant::now() }
    }

    /// How much longer to wait for it; gone if its moment has come.
    fn left(&self) -> Result<Duration, Gone> {
        let Some(kill_at) = self.kill_at else { return Ok(SILENCE) };
        let left = kill_at.saturating_duration_since(Instant::now()).min(SILENCE);
        if left.is_zero() { Err(Gone) } else { Ok(left) }
    }
}

impl Wire for Line {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?)).expect("a time-out can be set");
            match self.stream.write(rest) {
                Ok(len) => rest = &rest[len..],
                Err(error) => self.bear(&error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>, Gone> {
        self.stream.set_read_timeout(Some(self.left()?)).expect("a time-out can be set");
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the appliance has hung up"),
            Ok(len) => {
                self.heard = Instant::now();
                return Ok(buffer[..len].to_vec());
            }
            Err(error) => self.bear(&error),
        }
        Ok(Vec::new())
    }
}

impl Line {
    fn bear(&self, error: &std::io::Error) {
        let silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted);
        assert!(silent && self.heard.elapsed() < TIMEOUT, "the line to the appliance: {error}");
    }
}

/// Kills appliances so many times in all, each at most [`KILLS_MAX`] times.
pub fn every_receipt_holds(appliance: impl Fn() -> Box<dyn Appliance>, kills: u64) {
    for seed in 0..kills.div_ceil(KILLS_MAX) {
        let kills = (kills - seed * KILLS_MAX).min(KILLS_MAX);
        one_appliance(&mut *appliance(), kills, seed);
    }
}

/// Days of work, each ended by a kill at a moment taken at random from the longest day so far; the first, which
/// is not known, at its end. Afterwards everything noted is there, and the disk is clean.
fn one_appliance(appliance: &mut dyn Appliance, kills: u64, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut oracle = Oracle::new(&appliance.site().archives.clone());
    let mut longest: Option<Duration> = None;
    let mut in_work = 0;
    for _ in 0..kills {
        let begun = Instant::now();
        let kill_at = longest.map(|longest| begun + longest.mul_f64(random.f64()));
        appliance.start();
        let mut operator = Operator::new(Line::new(connected(appliance), kill_at));
        match oracle.day(&mut operator, &mut random) {
            Err(Gone) => in_work += 1,
            Ok(()) => longest = longest.max(Some(begun.elapsed())),
        }
        appliance.power_cut();
    }
    appliance.start();
    oracle.close(&mut Operator::new(Line::new(connected(appliance), None))).expect("nobody kills it");
    appliance.power_cut();
    appliance.tool().offline(&["disk", "verify", "disk.img"]).expect(0);
    println!(
        "{}: seed {seed}: {kills} kills, {in_work} in the middle of work, {} documents acknowledged, none lost",
        appliance.backend(),
        oracle.receipts()
    );
}

fn connected(appliance: &dyn Appliance) -> UnixStream {
    UnixStream::connect(appliance.socket()).expect("an appliance that was started can be connected to")
}

/// How many kills an appliance gets: `usual`, or what [`KILLS`] says.
pub fn kills(usual: u64) -> u64 {
    let Ok(value) = std::env::var(KILLS) else { return usual };
    value.parse().unwrap_or_else(|_| panic!("{KILLS}={value} is not a number"))
}
