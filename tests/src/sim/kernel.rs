//! The simulated kernel: who waits for what, and what a domain's request to the kernel does.

use std::collections::{HashMap, HashSet, VecDeque};

use totebox_domain::{Channel, ChannelSet, Child, Domain, Fault, Kernel};

use super::SimTicker;

/// A protection domain.
pub(super) struct Pd {
    pub name: String,
    /// Absent while it runs.
    pub domain: Option<Box<dyn Domain>>,
    pub pending: ChannelSet,
    pub faults: VecDeque<(Child, Fault)>,
    pub started: bool,
    /// Its parent or a fault has stopped it.
    pub stopped: bool,
}

impl Pd {
    pub fn ready(&self) -> bool {
        !self.stopped && (!self.started || self.pending != ChannelSet::default() || !self.faults.is_empty())
    }
}

/// One end of a channel: the domain's number and its channel id.
pub(super) type End = (usize, u8);

/// What joins the domains.
pub(super) struct Core {
    pub pds: Vec<Pd>,
    /// The other end of every channel.
    pub peers: HashMap<End, End>,
    /// Ends that may notify the other.
    pub notifiers: HashSet<End>,
    /// The domain behind every child id.
    pub children: HashMap<End, usize>,
    /// Interrupts delivered and not acknowledged.
    pub masked: HashSet<End>,
    /// What parents did to their children, by name, in order.
    pub interventions: Vec<(String, Intervention)>,
    /// What the CPU's counter shows is the time of the machine.
    pub ticker: SimTicker,
}

/// What a parent did to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// It stopped it.
    Stopped,
    /// It let it go on.
    Resumed,
}

impl Core {
    /// Runs a domain once: its start, a fault of one of its children, or its notifications.
    pub fn run(&mut self, number: usize) {
        let mut domain = self.pds[number].domain.take().expect("one domain runs at a time");
        let pd = &mut self.pds[number];
        if !std::mem::replace(&mut pd.started, true) {
            domain.start(&mut SimKernel { core: self, pd: number });
        } else if let Some((child, fault)) = pd.faults.pop_front() {
            domain.fault(&mut SimKernel { core: self, pd: number }, child, fault);
        } else {
            let from = std::mem::take(&mut pd.pending);
            domain.notified(&mut SimKernel { core: self, pd: number }, from);
        }
        self.pds[number].domain = Some(domain);
    }

    /// Delivers an interrupt, unless the last one was not acknowledged.
    pub fn interrupt(&mut self, end: End) {
        if self.masked.insert(end) {
            self.pds[end.0].pending.insert(Channel(end.1));
        }
    }
}

struct SimKernel<'a> {
    core: &'a mut Core,
    pd: usize,
}

impl SimKernel<'_> {
    fn name(&self) -> &str {
        &self.core.pds[self.pd].name
    }

    fn intervene(&mut self, child: Child, intervention: Intervention) {
        let end = (self.pd, child.0);
        let number = *self.core.children.get(&end).unwrap_or_else(|| panic!("{} has no {child:?}", self.name()));
        let pd = &mut self.core.pds[number];
        pd.stopped = intervention == Intervention::Stopped;
        self.core.interventions.push((pd.name.clone(), intervention));
    }
}

impl Kernel for SimKernel<'_> {
    fn notify(&mut self, channel: Channel) {
        let end = (self.pd, channel.0);
        assert!(self.core.notifiers.contains(&end), "{} may not notify {channel:?}", self.name());
        let (peer, id) = self.core.peers[&end];
        self.core.pds[peer].pending.insert(Channel(id));
    }

    fn counter_ms(&mut self) -> u64 {
        self.core.ticker.passed_ms()
    }

    fn acknowledge(&mut self, interrupt: Channel) {
        self.core.masked.remove(&(self.pd, interrupt.0));
    }

    fn stop(&mut self, child: Child) {
        self.intervene(child, Intervention::Stopped);
    }

    fn resume(&mut self, child: Child) {
        self.intervene(child, Intervention::Resumed);
    }
}
