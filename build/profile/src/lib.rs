//! What a deployment's description ought to allow: the policy that `totebox check` compares with. It comes from the
//! graph the manifests are written from, the table of what flows between whom ([`totebox_manifest::conversation`]), and
//! the board's devices.

#![forbid(unsafe_code)]

mod picture;

use std::collections::BTreeSet;

use totebox_check::authority::Control;
use totebox_check::{Act, Channel, Domain, Fill, Policy, Reporting, Role};
use totebox_deployment::Deployment;
use totebox_deployment::graph::{Graph, Pd, RegionKind};
use totebox_manifest::conversation::{TRACE_READER, channel, page, queue};
use totebox_manifest::{DeviceKind, LinkKind, ROLES, Role as Kind, RoleInfo};

pub fn policy(deployment: &Deployment) -> Policy {
    let graph = deployment.graph();
    let name = |pd| graph.pd(pd).name.clone();
    let channels = graph
        .channels
        .iter()
        .map(|channel| Channel { ends: channel.ends.map(|(pd, id)| (name(pd), id)), notifies: channel.notifies });
    let fills = graph.regions.iter().filter_map(|region| match &region.kind {
        RegionKind::Prefilled(file) => {
            Some(Fill { file: file.clone(), readers: region.readers.iter().map(|&pd| name(pd)).collect() })
        }
        _ => None,
    });
    Policy {
        profile: "totebox",
        board: deployment.board.microkit.clone(),
        board_file: format!("{}.toml", deployment.board.name),
        roles: ROLES.iter().map(role).collect(),
        domains: graph.pds.iter().map(|pd| domain(&graph, pd)).collect(),
        channels: channels.collect(),
        fills: fills.collect(),
        allowed: allowed(),
        reporting: Some(Reporting {
            from: Kind::Auditor.name(),
            apart: vec![Kind::Console.name(), Kind::Archive.name()],
            watched: vec![Kind::Archive.name()],
            through: vec![Kind::Orchestrator.name(), Kind::Vault.name()],
        }),
        draw: Some(picture::draw),
    }
}

fn role(info: &RoleInfo) -> Role {
    let kind = info.role;
    Role {
        name: info.name,
        one: info.one,
        many: info.many,
        isolated: kind == Kind::Archive,
        mediates: info.mediates,
        parent: (kind == Kind::Archive).then_some(Kind::Orchestrator.name()),
        priorities: priorities(info),
    }
}

fn domain(graph: &Graph, pd: &Pd) -> Domain {
    let registers = pd.devices.iter().filter_map(|device| device.region).filter_map(|(region, _)| {
        let region = graph.region(region);
        match region.kind {
            RegionKind::Registers(address) => Some((address, region.size)),
            _ => None,
        }
    });
    Domain {
        name: pd.name.clone(),
        role: pd.role.name(),
        budget_us: pd.schedule.budget_us.into(),
        period_us: pd.schedule.period_us.into(),
        interrupts: pd.devices.iter().filter_map(|device| device.irq).map(|irq| irq.number).collect(),
        registers: registers.collect(),
        dma: pd.devices.iter().any(|device| device.kind == DeviceKind::DmaMemory),
    }
}

/// What domains may do to each other by their roles. Nobody calls anybody, so no domain keeps another waiting.
fn allowed() -> BTreeSet<(&'static str, &'static str, Act)> {
    let mut allowed = BTreeSet::new();
    let kinds = ROLES.map(|info| info.role);
    for (from, to) in kinds.into_iter().flat_map(|from| kinds.map(|to| (from, to))) {
        let mut allow = |act| allowed.insert((from.name(), to.name(), act));
        let talks = queue(from, to).is_some() || page(from, to).is_some();
        if talks || to == TRACE_READER {
            allow(Act::Write);
        }
        if talks && (channel(from, to, LinkKind::Queue) || channel(from, to, LinkKind::Page)) {
            allow(Act::Signal);
        }
        if (from, to) == (Kind::Orchestrator, Kind::Archive) {
            allow(Act::Control(Control::Parent));
        }
        if (from, to) == (Kind::Archive, Kind::Orchestrator) {
            allow(Act::Fault);
        }
    }
    allowed
}

/// The lowest and the highest priority of a role. Bands do not overlap.
fn priorities(info: &RoleInfo) -> (u8, u8) {
    /// Half the distance between two roles.
    const HALF: u8 = 10;
    let middle = info.cpu.priority;
    let others = ROLES.iter().map(|info| info.cpu.priority).filter(|&other| other != middle);
    debug_assert!(others.into_iter().all(|other| other.abs_diff(middle) >= 2 * HALF));
    (middle - HALF, middle + HALF - 1)
}
