//! What a deployment's description ought to allow: the graph its manifests are written from, the table of
//! what flows between whom ([`totebox_manifest::conversation`]), and the board's devices.

use std::collections::HashMap;

use totebox_manifest::conversation::{channel, page, queue};
use totebox_manifest::{LinkKind, Role};

use crate::authority::{Control, How};
use totebox_deployment::Deployment;
use totebox_deployment::board::Board;
use totebox_deployment::cpu;
use totebox_deployment::graph::{Graph, Pd, SERVICES};

/// The domains that may stand between two archives: each is trusted not to carry one's data to the other.
pub const MEDIATORS: [Role; 4] = [Role::Orchestrator, Role::Vault, Role::Console, Role::Auditor];

/// What a description ought to allow.
pub struct Policy {
    /// Its domains and what joins them.
    pub graph: Graph,
    /// Its devices and memory.
    pub board: Board,
    roles: HashMap<String, usize>,
}

impl Policy {
    /// The policy of a deployment.
    pub fn of(deployment: &Deployment) -> Policy {
        let graph = deployment.graph();
        let roles = graph.pds.iter().enumerate().map(|(index, pd)| (pd.name.clone(), index)).collect();
        Policy { graph, board: deployment.board.clone(), roles }
    }

    /// The domain of this name, if there ought to be one.
    pub fn pd(&self, name: &str) -> Option<&Pd> {
        self.roles.get(name).map(|&index| &self.graph.pds[index])
    }

    /// Its role.
    pub fn role(&self, name: &str) -> Option<Role> {
        self.pd(name).map(|pd| pd.role)
    }

    /// Whether a domain of one role may do this to a domain of another.
    pub fn allows(from: Role, to: Role, how: &How) -> bool {
        let writes = queue(from, to).is_some() || page(from, to).is_some();
        match how {
            How::Write(_) => writes,
            How::Signal => writes && (channel(from, to, LinkKind::Queue) || channel(from, to, LinkKind::Page)),
            // Nothing of the product can be kept waiting by another domain.
            How::Call | How::Answer => false,
            How::Control(control) => {
                *control == Control::Parent && (from, to) == (Role::Orchestrator, Role::Archive)
            }
            How::Fault => (from, to) == (Role::Archive, Role::Orchestrator),
        }
    }

    /// The lowest and the highest priority of a role. Bands do not overlap.
    pub fn priorities(role: Role) -> (u8, u8) {
        /// Half the distance between two roles.
        const HALF: u8 = 10;
        let priority = |role| match role {
            Role::Archive => cpu::ARCHIVE_PRIORITY,
            role => cpu::service(role).priority,
        };
        let middle = priority(role);
        let all = SERVICES.iter().copied().chain([Role::Archive]).map(priority);
        debug_assert!(all.filter(|&other| other != middle).all(|other| other.abs_diff(middle) >= 2 * HALF));
        (middle - HALF, middle + HALF - 1)
    }
}
