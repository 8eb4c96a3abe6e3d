//! The time, from Linux's clocks; the tick, from a timerfd.

use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use totebox_domain::device::Ticker;

#[derive(Debug)]
pub struct SystemTicker {
    timer: OwnedFd,
    start_ms: u64,
}

impl SystemTicker {
    /// A ticker whose machine starts now.
    pub fn new() -> Result<SystemTicker> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(SystemTicker { timer, start_ms: read_ms(ClockId::Monotonic) })
    }

    pub fn interrupt(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// Milliseconds on a clock; 0 before its epoch.
fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + time.tv_nsec as u64 / 1_000_000
}

impl Ticker for SystemTicker {
    fn uptime_ms(&mut self) -> u64 {
        read_ms(ClockId::Monotonic) - self.start_ms
    }

    fn wall_ms(&mut self) -> u64 {
        read_ms(ClockId::Realtime)
    }

    fn arm(&mut self, ms: u64) {
        // A time of zero would disarm the timer.
        let ms = ms.max(1);
        let value = Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as _ };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).expect("a valid time");
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn due(ticker: &SystemTicker, timeout: Timespec) -> bool {
        poll(&mut [PollFd::new(&ticker.interrupt(), PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn an_armed_tick_comes_and_arming_again_clears_it() {
        let mut ticker = SystemTicker::new().unwrap();
        assert!(!due(&ticker, Timespec::default()), "a tick nobody asked for");
        ticker.arm(0);
        assert!(due(&ticker, Timespec { tv_sec: 60, tv_nsec: 0 }), "no tick");
        ticker.arm(1_000_000);
        assert!(!due(&ticker, Timespec::default()), "the old tick is still pending");
    }

    #[test]
    fn clocks_are_in_milliseconds() {
        let mut ticker = SystemTicker::new().unwrap();
        assert!(ticker.uptime_ms() < 3_600_000);
        let from_std = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
        assert!(from_std.abs_diff(ticker.wall_ms()) < 3_600_000);
    }
}
