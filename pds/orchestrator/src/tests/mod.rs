//! The orchestrator between fake peers, over real shared regions.

mod audits;
mod commands;
mod cross_check;
mod findings;
mod flags;
mod harness;
mod history;
mod life;
mod lifecycle;
mod link;
mod messages;
mod start;
mod traces;
mod unrecorded;

use alloc::vec;
use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use ledger_fmt::verify::FindingKind;
use totebox_domain::FaultKind;
use totebox_domain::watch::SILENT_MS;
use totebox_protocol::audit::{self, Ending, NO_RECORD, Report};
use totebox_protocol::flag::{FlagKind, FlagRow, NO_VOLUME};
use totebox_protocol::operator::{Completion, Op, Order, Refusal, Request};
use totebox_protocol::page::{Cause, Check, Health};
use totebox_protocol::vault::{Status, VolumeState};
use zerocopy::{FromZeros, IntoBytes};

use super::*;
use harness::{ARCHIVES, AUDIT, Harness, suspends};
use messages::{Past, child, clean, flag_row, healthy, kinds, mismatch, ranges};

/// The findings of most tests.
const ASSETS: [(FindingKind, u64); 2] = [(FindingKind::Asset, 33), (FindingKind::Asset, 40)];

/// Makes something impossible of a message or a page.
type Spoil<T> = fn(&mut T);
