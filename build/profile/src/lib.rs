//! What a deployment's description ought to allow: the policy that `totebox check` compares with. It comes from the graph
//! the manifests are written from, the table of what flows between whom ([`totebox_manifest::conversation`]), and the
//! board's devices.

#![forbid(unsafe_code)]

mod picture;

use std::collections::BTreeSet;

use totebox_check::authority::Control;
use totebox_check::{Act, Channel, Domain, Fill, Policy, Reporting, Role};
use totebox_deployment::graph::{Graph, Pd, RegionKind, SERVICES};
use totebox_deployment::{Deployment, cpu};
use totebox_manifest::conversation::{channel, page, queue};
use totebox_manifest::{DeviceKind, LinkKind, Role as Kind};

/// Every role, with those that mediate in the order in which sentences name them.
const ROLES: [Kind; 6] =
    [Kind::Orchestrator, Kind::Vault, Kind::Console, Kind::Auditor, Kind::Clock, Kind::Archive];

/// The policy of a deployment.
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
        roles: ROLES.map(role).to_vec(),
        domains: graph.pds.iter().map(|pd| domain(&graph, pd)).collect(),
        channels: channels.collect(),
        fills: fills.collect(),
        allowed: allowed(),
        reporting: Some(Reporting {
            from: name_of(Kind::Auditor),
            apart: vec![name_of(Kind::Console), name_of(Kind::Archive)],
            watched: vec![name_of(Kind::Archive)],
            through: vec![name_of(Kind::Orchestrator), name_of(Kind::Vault)],
        }),
        draw: Some(picture::draw),
    }
}

/// The name of a role, as the policy and the picture have it.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Orchestrator => "orchestrator",
        Kind::Auditor => "auditor",
        Kind::Vault => "vault",
        Kind::Console => "console",
        Kind::Clock => "clock",
        Kind::Archive => "archive",
    }
}

/// The domains that may stand between two archives: each is trusted not to carry one's data to the other.
fn mediates(kind: Kind) -> bool {
    matches!(kind, Kind::Orchestrator | Kind::Vault | Kind::Console | Kind::Auditor)
}

fn role(kind: Kind) -> Role {
    let (one, many) = match kind {
        Kind::Orchestrator => ("an orchestrator", "orchestrators"),
        Kind::Auditor => ("an auditor", "auditors"),
        Kind::Vault => ("a vault", "vaults"),
        Kind::Console => ("a console", "consoles"),
        Kind::Clock => ("a clock", "clocks"),
        Kind::Archive => ("an archive", "archives"),
    };
    Role {
        name: name_of(kind),
        one,
        many,
        isolated: kind == Kind::Archive,
        mediates: mediates(kind),
        parent: (kind == Kind::Archive).then_some(name_of(Kind::Orchestrator)),
        priorities: priorities(kind),
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
        role: name_of(pd.role),
        budget_us: pd.schedule.budget_us.into(),
        period_us: pd.schedule.period_us.into(),
        interrupts: pd.devices.iter().filter_map(|device| device.irq).map(|irq| irq.number).collect(),
        registers: registers.collect(),
        dma: pd.devices.iter().any(|device| device.kind == DeviceKind::DmaMemory),
    }
}

/// What domains may do to each other by their roles. Nobody calls anybody: nothing of the product can be kept waiting
/// by another domain.
fn allowed() -> BTreeSet<(&'static str, &'static str, Act)> {
    let mut allowed = BTreeSet::new();
    for (from, to) in ROLES.into_iter().flat_map(|from| ROLES.map(|to| (from, to))) {
        let mut allow = |act| allowed.insert((name_of(from), name_of(to), act));
        if queue(from, to).is_some() || page(from, to).is_some() {
            allow(Act::Write);
            if channel(from, to, LinkKind::Queue) || channel(from, to, LinkKind::Page) {
                allow(Act::Signal);
            }
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
fn priorities(kind: Kind) -> (u8, u8) {
    /// Half the distance between two roles.
    const HALF: u8 = 10;
    let priority = |kind| match kind {
        Kind::Archive => cpu::ARCHIVE_PRIORITY,
        kind => cpu::service(kind).priority,
    };
    let middle = priority(kind);
    let all = SERVICES.iter().copied().chain([Kind::Archive]).map(priority);
    debug_assert!(all.filter(|&other| other != middle).all(|other| other.abs_diff(middle) >= 2 * HALF));
    (middle - HALF, middle + HALF - 1)
}
