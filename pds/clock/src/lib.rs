//! The clock: turns the timer's interrupt into ticks, which wake orchestrator and console, and publishes the time
//! for whoever writes it into records. What the wall clock says is passed on as it is; order is kept by sequence
//! numbers, not by time.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use totebox_domain::device::Ticker;
use totebox_domain::{Channel, ChannelSet, Domain, Kernel, SetupError};
use totebox_link::Tracer;
use totebox_manifest::{DeviceKind, Link, LinkKind, Manifest, NO_CHANNEL, Role};
use totebox_protocol::page::Time;
use totebox_protocol::trace::Event;
use totebox_shm::{Mapped, PageWriter};

pub struct Clock<T> {
    ticker: T,
    /// A page for each reader, so that no frame is mapped by two archives.
    pages: Vec<PageWriter<Time>>,
    /// Those that a tick wakes: the orchestrator, and the console.
    woken: Vec<Channel>,
    interrupt: Channel,
    period_ms: u64,
    ticks: u64,
    /// The uptime at which the next tick is due.
    due_ms: u64,
    tracer: Tracer,
}

impl<T: Ticker> Clock<T> {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped, ticker: T) -> Result<Self, SetupError> {
        if manifest.role() != Role::Clock {
            return Err(SetupError::Role(manifest.role()));
        }
        let woken: Vec<Channel> = manifest.links().iter().filter_map(Channel::of).collect();
        if woken.is_empty() {
            return Err(SetupError::Link(Role::Orchestrator, LinkKind::Page));
        }
        let page = |link: &Link| {
            let peer = Role::from_u8(link.peer).unwrap_or(Role::Orchestrator);
            PageWriter::new(mapped, link.mine).ok_or(SetupError::Link(peer, LinkKind::Page))
        };
        let links = manifest.links().iter().filter(|link| link.kind == LinkKind::Page as u8);
        let pages = links.map(page).collect::<Result<_, _>>()?;
        let no_timer = SetupError::Device(DeviceKind::Timer);
        let timer = manifest.device(DeviceKind::Timer).ok_or(no_timer)?;
        let interrupt = match timer.irq_channel {
            NO_CHANNEL => return Err(no_timer),
            channel => Channel(channel),
        };
        // The ticker counts milliseconds, so a tick is never shorter.
        let period_ms = 1000 / u64::from(manifest.header().tick_hz.get()).clamp(1, 1000);
        let tracer = Tracer::open(manifest, mapped)?;
        Ok(Clock { ticker, pages, woken, interrupt, period_ms, ticks: 0, due_ms: 0, tracer })
    }

    fn publish(&mut self, uptime_ms: u64) {
        let time =
            Time { wall_ms: self.ticker.wall_ms().into(), uptime_ms: uptime_ms.into(), ticks: self.ticks.into() };
        self.pages.iter_mut().for_each(|page| page.publish(&time));
    }

    fn wake(&self, kernel: &mut dyn Kernel) {
        self.woken.iter().for_each(|&channel| kernel.notify(channel));
    }

    /// Arms the next tick, at a multiple of the period: a late tick does not move those after it, and
    /// ticks that were missed altogether are not made up for.
    fn arm(&mut self, uptime_ms: u64) {
        let wait_ms = self.period_ms - uptime_ms % self.period_ms;
        self.due_ms = uptime_ms + wait_ms;
        self.ticker.arm(wait_ms);
    }
}

impl<T: Ticker> Domain for Clock<T> {
    fn start(&mut self, kernel: &mut dyn Kernel) {
        self.tracer.wake(kernel.counter_ms());
        self.tracer.note(Event::Started);
        let uptime_ms = self.ticker.uptime_ms();
        self.publish(uptime_ms);
        self.arm(uptime_ms);
        self.wake(kernel);
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        if !from.contains(self.interrupt) {
            return;
        }
        let uptime_ms = self.ticker.uptime_ms();
        if uptime_ms < self.due_ms {
            // An interrupt that came early is not a tick.
            self.ticker.arm(self.due_ms - uptime_ms);
        } else {
            self.ticks += 1;
            self.publish(uptime_ms);
            self.arm(uptime_ms);
            self.wake(kernel);
        }
        kernel.acknowledge(self.interrupt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use core::cell::RefCell;
    use totebox_shm::PageReader;
    use totebox_shm::testing::mapped;
    use totebox_testing::{TestKernel, TestManifest};
    use zerocopy::FromZeros;

    #[derive(Default)]
    struct Times {
        uptime_ms: u64,
        wall_ms: u64,
        armed: Option<u64>,
    }

    struct TestTicker(Rc<RefCell<Times>>);

    impl Ticker for TestTicker {
        fn uptime_ms(&mut self) -> u64 {
            self.0.borrow().uptime_ms
        }
        fn wall_ms(&mut self) -> u64 {
            self.0.borrow().wall_ms
        }
        fn arm(&mut self, ms: u64) {
            self.0.borrow_mut().armed = Some(ms);
        }
    }

    struct Harness {
        clock: Clock<TestTicker>,
        times: Rc<RefCell<Times>>,
        kernel: TestKernel,
        page: PageReader<Time>,
        archive_page: PageReader<Time>,
        orchestrator: Channel,
        console: Channel,
        interrupt: Channel,
    }

    impl Harness {
        fn new(tick_hz: u32) -> Harness {
            let mut description = TestManifest::new(Role::Clock);
            description.tick_hz = tick_hz;
            let (link, _) = description.link(Role::Orchestrator, 0, LinkKind::Page);
            let (console, _) = description.link(Role::Console, 0, LinkKind::Page);
            let (archive_link, _) = description.link(Role::Archive, 0, LinkKind::Page);
            let interrupt = description.device(DeviceKind::Timer);
            let bytes = description.bytes();
            let manifest = Manifest::parse(&bytes).unwrap();
            let times = Rc::new(RefCell::new(Times::default()));
            let mapped = mapped();
            let clock = Clock::new(&manifest, mapped, TestTicker(times.clone())).unwrap();
            let page = PageReader::new(mapped, link.mine).unwrap();
            let archive_page = PageReader::new(mapped, archive_link.mine).unwrap();
            let (orchestrator, console) = (Channel(link.channel), Channel(console.channel));
            Harness {
                clock,
                times,
                kernel: TestKernel::default(),
                page,
                archive_page,
                orchestrator,
                console,
                interrupt,
            }
        }

        /// Lets the interrupt arrive at these times; returns the published page.
        fn interrupt_at(&mut self, uptime_ms: u64, wall_ms: u64) -> Time {
            {
                let mut times = self.times.borrow_mut();
                (times.uptime_ms, times.wall_ms) = (uptime_ms, wall_ms);
            }
            let mut from = ChannelSet::default();
            from.insert(self.interrupt);
            self.clock.notified(&mut self.kernel, from);
            self.published()
        }

        fn published(&self) -> Time {
            let mut time = Time::new_zeroed();
            assert!(self.page.read(&mut time));
            let mut archives = Time::new_zeroed();
            assert!(self.archive_page.read(&mut archives));
            assert_eq!(archives, time, "every reader's page says the same");
            time
        }

        fn armed(&self) -> Option<u64> {
            self.times.borrow().armed
        }
    }

    #[test]
    fn every_tick_publishes_the_time_and_tells_orchestrator_and_console() {
        let mut harness = Harness::new(10);
        *harness.times.borrow_mut() = Times { uptime_ms: 30, wall_ms: 1_000_000, armed: None };
        harness.clock.start(&mut harness.kernel);
        assert_eq!((harness.published().uptime_ms.get(), harness.published().ticks.get()), (30, 0));
        assert_eq!(harness.armed(), Some(70));

        let time = harness.interrupt_at(101, 1_000_071);
        assert_eq!((time.uptime_ms.get(), time.wall_ms.get(), time.ticks.get()), (101, 1_000_071, 1));
        assert_eq!(harness.armed(), Some(99), "the late tick does not move the next one");
        assert_eq!(harness.kernel.acknowledged, [harness.interrupt]);
        assert_eq!(harness.kernel.notified, [harness.orchestrator, harness.console].repeat(2));
    }

    #[test]
    fn a_wall_clock_that_jumps_back_is_passed_on() {
        let mut harness = Harness::new(10);
        harness.clock.start(&mut harness.kernel);
        harness.interrupt_at(100, 5_000_000);
        let time = harness.interrupt_at(200, 4_000_000);
        assert_eq!((time.wall_ms.get(), time.ticks.get()), (4_000_000, 2));
    }

    #[test]
    fn early_interrupts_and_other_notifications_are_not_ticks() {
        let mut harness = Harness::new(10);
        harness.clock.start(&mut harness.kernel);
        assert_eq!(harness.interrupt_at(98, 98).ticks.get(), 0);
        assert_eq!(harness.armed(), Some(2));
        assert_eq!(harness.kernel.acknowledged.len(), 1, "or the interrupt would never come again");

        let mut from = ChannelSet::default();
        from.insert(harness.orchestrator);
        harness.times.borrow_mut().uptime_ms = 100;
        harness.clock.notified(&mut harness.kernel, from);
        assert_eq!(harness.published().ticks.get(), 0);
    }

    #[test]
    fn a_tick_is_at_least_a_millisecond_and_at_most_a_second() {
        for (tick_hz, wait_ms) in [(0, 1000), (1, 1000), (3, 333), (1000, 1), (1_000_000, 1)] {
            let mut harness = Harness::new(tick_hz);
            harness.clock.start(&mut harness.kernel);
            assert_eq!(harness.armed(), Some(wait_ms), "{tick_hz} Hz");
        }
    }

    #[test]
    fn a_manifest_without_a_timer_is_refused() {
        let mut description = TestManifest::new(Role::Clock);
        description.link(Role::Orchestrator, 0, LinkKind::Page);
        let bytes = description.bytes();
        let manifest = Manifest::parse(&bytes).unwrap();
        let ticker = TestTicker(Rc::default());
        let error = Clock::new(&manifest, mapped(), ticker).err();
        assert_eq!(error, Some(SetupError::Device(DeviceKind::Timer)));
    }
}
