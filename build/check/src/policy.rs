//! What a system ought to allow, as data: who its domains are and what each is for, what may pass between which of
//! these roles, and which devices are whose. The rules that compare with it are not judged without one. Whoever has a
//! plan of their own for a system makes a policy of it, as `totebox-profile` does of a deployment.

use std::collections::BTreeSet;

use crate::authority::{Control, How};
use crate::picture::{Canvas, Scene};

pub struct Policy {
    pub profile: &'static str,
    /// The name of the board in the Microkit SDK.
    pub board: String,
    pub board_file: String,
    /// What domains can be for. The first of those that mediate is the first that sentences name.
    pub roles: Vec<Role>,
    pub domains: Vec<Domain>,
    pub channels: Vec<Channel>,
    pub fills: Vec<Fill>,
    /// What a domain of one role may do to a domain of another, by the roles' names.
    pub allowed: BTreeSet<(&'static str, &'static str, Act)>,
    /// Whose findings must not be told by everybody.
    pub reporting: Option<Reporting>,
    /// Draws the system in a layout of its own.
    pub draw: Option<fn(&Scene) -> Canvas>,
}

#[derive(Clone, Debug)]
pub struct Role {
    /// Its name: "archive".
    pub name: &'static str,
    /// One domain of it: "an archive".
    pub one: &'static str,
    /// Several of them: "archives".
    pub many: &'static str,
    /// No two domains of it may reach each other but through those that mediate.
    pub isolated: bool,
    /// It stands between isolated domains, and is trusted not to carry the data of one to another.
    pub mediates: bool,
    /// The role of its parent. Without one it has no parent.
    pub parent: Option<&'static str>,
    pub priorities: (u8, u8),
}

#[derive(Clone, Debug)]
pub struct Domain {
    pub name: String,
    /// The name of its role.
    pub role: &'static str,
    /// Microseconds of CPU in each period.
    pub budget_us: u64,
    /// Microseconds.
    pub period_us: u64,
    pub interrupts: Vec<u64>,
    /// The registers it drives: physical address and bytes.
    pub registers: Vec<(u64, u64)>,
    /// It drives a device that accesses memory by itself.
    pub dma: bool,
}

#[derive(Clone, Debug)]
pub struct Channel {
    /// Its two ends: the domain, and the channel's id there.
    pub ends: [(String, u8); 2],
    /// Whether each end notifies the other.
    pub notifies: [bool; 2],
}

/// Memory the build fills from a file.
#[derive(Clone, Debug)]
pub struct Fill {
    pub file: String,
    pub readers: Vec<String>,
}

/// A role that judges others, and how what it finds may travel.
#[derive(Clone, Debug)]
pub struct Reporting {
    pub from: &'static str,
    /// Those that must neither hear from it nor tell it anything, but by way of others.
    pub apart: Vec<&'static str>,
    /// Of these, those whose memory it may read.
    pub watched: Vec<&'static str>,
    /// The roles by which its findings may travel on; the first is the one that tells them.
    pub through: Vec<&'static str>,
}

/// [`How`] without the region's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Write,
    Signal,
    Call,
    Answer,
    Control(Control),
    Fault,
}

impl From<&How> for Act {
    fn from(how: &How) -> Act {
        match how {
            How::Write(_) => Act::Write,
            How::Signal => Act::Signal,
            How::Call => Act::Call,
            How::Answer => Act::Answer,
            How::Control(control) => Act::Control(*control),
            How::Fault => Act::Fault,
        }
    }
}

impl Policy {
    /// The domain of this name, if there ought to be one.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    pub fn role(&self, domain: &str) -> Option<&Role> {
        let name = self.domain(domain)?.role;
        self.roles.iter().find(|role| role.name == name)
    }

    /// Whether one domain may do this to another.
    pub fn allows(&self, from: &str, to: &str, how: &How) -> bool {
        match (self.role(from), self.role(to)) {
            (Some(from), Some(to)) => self.allowed.contains(&(from.name, to.name, how.into())),
            _ => false,
        }
    }

    pub fn mediators(&self) -> Vec<&'static str> {
        self.roles.iter().filter(|role| role.mediates).map(|role| role.name).collect()
    }

    /// The role whose domains are isolated from each other, for sentences about it.
    pub fn isolated(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.isolated)
    }
}
