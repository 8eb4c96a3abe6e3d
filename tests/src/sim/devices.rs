//! The simulated serial line and clock. The disk is in `disk`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use fastrand::Rng;
use totebox_domain::device::{Ticker, Uart};

/// Bytes the line takes from the console before it has to wait, at most.
const TRANSMIT_ROOM: usize = 64;

/// Both directions of the serial line, as the operator's side sees them.
#[derive(Debug, Default)]
pub struct Line {
    /// On their way to the console.
    incoming: VecDeque<u8>,
    /// Arrived from the console.
    pub outgoing: Vec<u8>,
    /// Bytes the line takes until the next interrupt.
    room: usize,
    interrupt: bool,
    hung_up: bool,
    /// One byte in so many is damaged on its way; 0 for a quiet line.
    noise: u32,
}

impl Line {
    fn disturb(&self, random: &mut Rng, byte: u8) -> u8 {
        let hit = self.noise > 0 && random.u32(..self.noise) == 0;
        if hit { byte ^ 1 << random.u8(..8) } else { byte }
    }
}

/// The operator's end of the serial line, and the console's device.
#[derive(Clone, Debug)]
pub struct SimUart {
    line: Rc<RefCell<Line>>,
    random: Rc<RefCell<Rng>>,
}

impl SimUart {
    /// A quiet line.
    pub fn new(seed: u64) -> SimUart {
        let line = Line { room: TRANSMIT_ROOM, ..Line::default() };
        SimUart { line: Rc::new(RefCell::new(line)), random: Rc::new(RefCell::new(Rng::with_seed(seed))) }
    }

    /// Damages one byte in `one_in` on its way, in both directions; none if 0.
    pub fn set_noise(&self, one_in: u32) {
        self.line.borrow_mut().noise = one_in;
    }

    /// Sends bytes to the console.
    pub fn send(&self, bytes: &[u8]) {
        let (mut line, mut random) = (self.line.borrow_mut(), self.random.borrow_mut());
        for &byte in bytes {
            let byte = line.disturb(&mut random, byte);
            line.incoming.push_back(byte);
        }
        line.interrupt = true;
    }

    /// Hangs up.
    pub fn hang_up(&self) {
        let mut line = self.line.borrow_mut();
        line.hung_up = true;
        line.interrupt = true;
    }

    /// What the console has sent so far and nobody has taken.
    pub fn take_received(&self) -> Vec<u8> {
        std::mem::take(&mut self.line.borrow_mut().outgoing)
    }

    /// Whether an interrupt is due.
    pub fn interrupt(&self) -> bool {
        self.line.borrow().interrupt
    }

    /// Whether the line can move bytes on, so that its transmitter has room again.
    pub fn can_drain(&self) -> bool {
        self.line.borrow().room < TRANSMIT_ROOM
    }

    /// Moves bytes on.
    pub fn drain(&self) {
        let mut line = self.line.borrow_mut();
        line.room = TRANSMIT_ROOM;
        line.interrupt = true;
    }
}

impl Uart for SimUart {
    fn receive(&mut self, out: &mut [u8]) -> usize {
        let mut line = self.line.borrow_mut();
        // Bytes come in clumps of any size; what stays behind raises the interrupt again.
        let most = out.len().min(line.incoming.len());
        let count = if most > 1 { self.random.borrow_mut().usize(1..=most) } else { most };
        for (slot, byte) in out.iter_mut().zip(line.incoming.drain(..count)) {
            *slot = byte;
        }
        line.interrupt |= !line.incoming.is_empty();
        count
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        let (mut line, mut random) = (self.line.borrow_mut(), self.random.borrow_mut());
        let count = bytes.len().min(line.room);
        line.room -= count;
        for &byte in &bytes[..count] {
            let byte = line.disturb(&mut random, byte);
            line.outgoing.push(byte);
        }
        count
    }

    fn acknowledge(&mut self) {
        self.line.borrow_mut().interrupt = false;
    }

    fn hung_up(&mut self) -> bool {
        std::mem::take(&mut self.line.borrow_mut().hung_up)
    }
}

/// Milliseconds that pass at a time while the clock waits for nothing.
const STEP_MS: u64 = 100;

/// What the clock reads, and the CPU's counter.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    uptime_ms: u64,
    wall_ms: u64,
    due_ms: Option<u64>,
    interrupt: bool,
}

/// The clock's device. Time stands still until the simulator lets it pass.
#[derive(Clone, Debug)]
pub struct SimTicker(Rc<RefCell<Times>>);

impl SimTicker {
    /// A clock that shows this time of day.
    pub fn new(wall_ms: u64) -> SimTicker {
        SimTicker(Rc::new(RefCell::new(Times { wall_ms, ..Times::default() })))
    }

    /// Sets the wall clock, forward or back.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.0.borrow_mut().wall_ms = wall_ms;
    }

    /// What the wall clock shows.
    pub fn wall_ms(&self) -> u64 {
        self.0.borrow().wall_ms
    }

    /// Whether the clock waits for a tick.
    pub fn armed(&self) -> bool {
        self.0.borrow().due_ms.is_some()
    }

    /// Milliseconds since the machine started, whatever the clock makes of them: the CPU's counter.
    pub fn passed_ms(&self) -> u64 {
        self.0.borrow().uptime_ms
    }

    /// Lets time pass until the next tick is due; or, if the clock waits for none, a little.
    pub fn pass(&self) {
        let mut times = self.0.borrow_mut();
        let due_ms = times.due_ms.take();
        let until_ms = due_ms.unwrap_or(times.uptime_ms + STEP_MS);
        times.wall_ms += until_ms.saturating_sub(times.uptime_ms);
        times.uptime_ms = times.uptime_ms.max(until_ms);
        times.interrupt |= due_ms.is_some();
    }

    /// Whether an interrupt is due.
    pub fn interrupt(&self) -> bool {
        self.0.borrow().interrupt
    }
}

impl Ticker for SimTicker {
    fn uptime_ms(&mut self) -> u64 {
        self.0.borrow().uptime_ms
    }

    fn wall_ms(&mut self) -> u64 {
        self.0.borrow().wall_ms
    }

    fn arm(&mut self, ms: u64) {
        let mut times = self.0.borrow_mut();
        times.due_ms = Some(times.uptime_ms + ms);
        times.interrupt = false;
    }
}
