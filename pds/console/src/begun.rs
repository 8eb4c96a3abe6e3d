//! A command that was under way when another took the line from the person who gave it: they are told later what
//! became of it.

use totebox_console_protocol::change::Change;
use totebox_protocol::operator::{ALL_VOLUMES, Op, Outcome};

use super::audit::Verification;
use super::errors::Error;
use super::flags::volume_name;
use super::lifecycle::Transition;
use super::orchestrator::Answered;
use super::orders::{Look, Order};
use super::session::{Activity, Session};

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The orchestrator has not answered.
    Order {
        tag: u32,
        order: Order,
    },
    /// It refused.
    Refused {
        order: Order,
        outcome: Outcome,
    },
    Transition(Transition),
    Audit(Verification),
    Acknowledge {
        tag: u32,
        flag: u32,
    },
    /// An archive was asked for a checkpoint, or was about to be.
    Sign {
        link: usize,
        sent: bool,
    },
    /// Something was being read of this volume, or of the appliance.
    Reading {
        command: &'static str,
        link: Option<usize>,
    },
}

impl Begun {
    /// What this activity is, if a person waits for its end. A submission has its own way of being told.
    pub fn of(activity: &Activity, sent: bool) -> Option<Begun> {
        let reading = |command, link| Begun::Reading { command, link };
        Some(match activity {
            Activity::Order { order: Order { op: Op::History, .. }, .. } => reading("history", None),
            Activity::Order { order: Order { op: Op::Findings, volume, .. }, .. } => {
                reading("flags", Some(usize::from(*volume)))
            }
            &Activity::Order { tag, order } => Begun::Order { tag, order },
            &Activity::Transition(transition) => Begun::Transition(transition),
            &Activity::Audit(verification) => Begun::Audit(verification),
            &Activity::Acknowledge { tag, flag } => Begun::Acknowledge { tag, flag },
            &Activity::Sign { link, .. } => Begun::Sign { link, sent },
            Activity::Get(get) => reading("get", Some(get.link)),
            Activity::List(list) => reading("ls", Some(list.link)),
            Activity::History { .. } => reading("history", None),
            Activity::Findings { volume, .. } => reading("flags", Some(*volume)),
            Activity::Look { look: Look::Status, .. } => reading("status", None),
            Activity::Look { look: Look::Flags, .. } => reading("flags", None),
            Activity::Idle | Activity::Away | Activity::Skip(_) | Activity::Put(_) => return None,
        })
    }

    /// The orchestrator has answered something that nobody waits for any more.
    pub fn answered(&mut self, answered: &Answered) {
        let &mut Begun::Order { tag, order } = self else { return };
        if answered.tag != tag {
            return;
        }
        let (outcome, tag) = (answered.outcome, answered.name);
        let transition = |change| Begun::Transition(Transition::new(tag, order.volume.into(), change));
        *self = match order.op {
            _ if outcome != Outcome::Accepted => Begun::Refused { order, outcome },
            Op::Suspend => transition(Change::Suspend),
            Op::Resume => transition(Change::Resume),
            Op::Archive => transition(Change::Archive),
            Op::Verify => Begun::Audit(Verification::new(tag, order.volume)),
            Op::Acknowledge => Begun::Acknowledge { tag, flag: order.number as u32 },
            // Such a one is no order whose end is told.
            Op::History | Op::Findings | Op::Ping => return,
        };
    }

    /// The command, and what it is about: an archive, or a flag.
    fn command(&self) -> (&'static str, Option<usize>, Option<u64>) {
        match *self {
            Begun::Order { order, .. } | Begun::Refused { order, .. } => {
                let volume = Some(order.volume.into());
                match order.op {
                    Op::Verify => ("audit", volume, None),
                    Op::Suspend => (Change::Suspend.name(), volume, None),
                    Op::Resume => (Change::Resume.name(), volume, None),
                    Op::Archive => (Change::Archive.name(), volume, None),
                    Op::Acknowledge => ("ack", None, Some(order.number)),
                    Op::History | Op::Findings | Op::Ping => ("a look", None, None),
                }
            }
            Begun::Transition(Transition { archive, change, .. }) => (change.name(), Some(archive), None),
            Begun::Audit(verification) => ("audit", Some(verification.volume().into()), None),
            Begun::Acknowledge { flag, .. } => ("ack", None, Some(flag.into())),
            Begun::Sign { link, .. } => ("sign", Some(link), None),
            Begun::Reading { command, link } => (command, link, None),
        }
    }
}

impl Session {
    /// Says what became of a command whose sender was cut off, each line as an event.
    pub(super) fn tell_begun(&mut self, begun: Begun) {
        let (command, volume, number) = begun.command();
        let volume =
            volume.and_then(|volume| volume_name(&self.volumes, u8::try_from(volume).unwrap_or(ALL_VOLUMES)));
        let head = format_args!("*another had the line; this became of {command}");
        match (volume, number) {
            (Some(volume), _) => self.output.line(format_args!("{head} {volume}:")),
            (None, Some(number)) => self.output.line(format_args!("{head} {number}:")),
            (None, None) => self.output.line(format_args!("{head}:")),
        }
        self.output.set_events(true);
        self.surface.refresh();
        match begun {
            Begun::Refused { order, outcome } => self.refuse(order, outcome),
            Begun::Transition(transition) if self.is_overtaken(&transition) => {
                let text = "another order for that archive came behind it; history shows what this one led to";
                self.output.error(Error::Cancelled, None, format_args!("{text}"));
            }
            Begun::Order { tag, order } => self.look_once(Activity::Order { tag, order }),
            Begun::Transition(transition) => self.look_once(Activity::Transition(transition)),
            Begun::Audit(verification) => self.look_once(Activity::Audit(verification)),
            Begun::Acknowledge { tag, flag } => self.look_once(Activity::Acknowledge { tag, flag }),
            Begun::Sign { sent, .. } => {
                let text =
                    if sent { "it may be carried out, ls will show the checkpoint" } else { "not carried out" };
                self.output.error(Error::Cancelled, None, format_args!("{text}"));
            }
            Begun::Reading { .. } => {
                self.output.error(Error::Cancelled, None, format_args!("it was not shown to its end; ask again"));
            }
        }
        self.output.set_events(false);
    }

    /// Says how this ended, or else that it goes on.
    fn look_once(&mut self, activity: Activity) {
        self.activity = activity;
        self.answer_order();
        self.give_up();
    }
}
