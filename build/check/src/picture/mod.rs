//! `totebox graph`: what a system description allows, as a picture. An auditor reads it at a glance; it says
//! what [`Authority`] says and nothing else.

mod dot;
mod free;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use totebox_sdf::{IrqSource, System};
use totebox_shown::ShownBytes;

use crate::authority::{Authority, Control, How, SubjectKind};
use crate::{Finding, Policy, Report};
use totebox_common::units::count;

pub use dot::dot;
pub use free::{Place, between};
pub use svg::{Canvas, Line, Node, Point, Style};

/// Everything one subject can do to another, as one bundle of lines.
#[derive(Clone, Debug, Default)]
pub struct Link {
    pub data: Vec<String>,
    pub signal: bool,
    pub call: bool,
    pub control: Vec<Control>,
    pub broken: Vec<String>,
}

/// What is drawn: a description, what it allows, and what the rules say of it.
pub struct Scene<'a> {
    system: &'a System,
    pub authority: Authority,
    policy: Option<&'a Policy>,
    title: String,
    /// All that one subject can do to another, by who does it to whom.
    pub links: BTreeMap<(usize, usize), Link>,
    findings: Vec<&'a Finding>,
}

impl<'a> Scene<'a> {
    fn new(system: &'a System, policy: Option<&'a Policy>, report: &'a Report) -> Scene<'a> {
        let authority = Authority::of(system);
        let findings: Vec<&Finding> = report.findings.iter().filter(|finding| finding.counts()).collect();
        let mut links: BTreeMap<(usize, usize), Link> = BTreeMap::new();
        for edge in &authority.edges {
            if matches!(edge.how, How::Answer | How::Fault) {
                continue; // Part of the call, and of being a child.
            }
            let link = links.entry((edge.from, edge.to)).or_default();
            match &edge.how {
                How::Write(region) => link.data.push(region.clone()),
                How::Signal => link.signal = true,
                How::Call => link.call = true,
                How::Control(control) => link.control.push(*control),
                How::Answer | How::Fault => {}
            }
        }
        let region = |name: &String| system.region(name).is_some();
        for (&(from, to), link) in &mut links {
            let concerns = |finding: &&&Finding| {
                let names = |subject| finding.names.iter().any(|name| name == authority.name(subject));
                let mut regions = finding.names.iter().filter(|name| region(name)).peekable();
                let same_region = regions.peek().is_none() || regions.any(|name| link.data.contains(name));
                names(from) && names(to) && same_region
            };
            link.broken = findings.iter().filter(concerns).map(|f| format!("{}: {}", f.rule, f.message)).collect();
        }
        let domains = authority.subjects.iter().filter(|subject| subject.kind == SubjectKind::Domain).count();
        let file = ShownBytes(report.file.file_name().unwrap_or_default().as_encoded_bytes());
        let title = format!(
            "What {file} allows: {}, {}, {}",
            count(domains, "domain"),
            count(system.regions.len(), "memory region"),
            count(system.channels.len(), "channel")
        );
        Scene { system, authority, policy, title, links, findings }
    }

    pub fn role(&self, subject: usize) -> Option<&'static str> {
        self.policy?.role(self.authority.name(subject)).map(|role| role.name)
    }

    /// What is wrong with a subject itself: findings that no link shows.
    pub fn wrong(&self, subject: usize) -> Vec<String> {
        let name = self.authority.name(subject);
        let named = self.findings.iter().filter(|finding| finding.names.iter().any(|other| other == name));
        let says = named.map(|finding| format!("{}: {}", finding.rule, finding.message));
        says.filter(|text| !self.links.values().any(|link| link.broken.contains(text))).collect()
    }

    /// The devices of a subject: each line says one thing about them.
    pub fn devices(&self, subject: usize) -> Vec<String> {
        devices(self.system, self.authority.name(subject))
    }

    pub fn says(&self, from: usize, to: usize, what: &str, more: &[String]) -> String {
        let mut text = format!("{} {what} {}", self.authority.name(from), self.authority.name(to));
        if !more.is_empty() {
            text += &format!(": {}", more.join(", "));
        }
        text
    }

    pub fn about(&self, subject: usize) -> String {
        let Some(pd) = self.system.protection_domain(self.authority.name(subject)) else {
            return self.authority.name(subject).to_owned();
        };
        let s = &pd.scheduling;
        let mut text = format!(
            "{}: {}, priority {}, {} us of CPU in every {} us",
            pd.name, pd.program_image, s.priority, s.budget_us, s.period_us
        );
        for wrong in self.wrong(subject) {
            text += &format!("\n{wrong}");
        }
        text
    }
}

/// The picture of a description as SVG: in the policy's own layout if it has one, else by priority.
pub fn svg(system: &System, policy: Option<&Policy>, report: &Report) -> String {
    let scene = Scene::new(system, policy, report);
    let draw = policy.and_then(|policy| policy.draw).unwrap_or(free::draw);
    let canvas = draw(&scene);
    canvas.finish(&scene)
}

/// The devices of a domain, each as a few words: registers, memory for DMA, interrupts.
pub fn devices(system: &System, domain: &str) -> Vec<String> {
    let Some(pd) = system.protection_domain(domain) else { return vec![] };
    let fixed = system.regions.iter().filter(|region| region.phys_addr.is_some());
    let fixed: BTreeSet<&str> = fixed.map(|region| region.name.as_str()).collect();
    let registers = pd.maps.iter().filter(|map| fixed.contains(map.region.as_str())).map(|map| map.region.clone());
    let dma = pd.setvars.iter().map(|setvar| format!("{} (DMA)", setvar.region_paddr));
    let interrupts = pd.irqs.iter().map(|irq| interrupt(&irq.source));
    registers.chain(dma).chain(interrupts).collect()
}

pub fn interrupt(source: &IrqSource) -> String {
    match source {
        IrqSource::Line { irq, .. } => format!("interrupt {irq}"),
        IrqSource::IoApic { pin, .. } => format!("interrupt pin {pin}"),
        IrqSource::Msi { vector, .. } => format!("MSI {vector}"),
    }
}
