//! Rules about what was built: ISO-4, ISO-19.

use std::collections::BTreeSet;

use totebox_sdf::Place;

use crate::built::{Built, Grant, Purpose, compare};
use crate::{Found, Judge, Made, Rule, Scope, list};

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-4",
        title: "minimal rights",
        sentence: "A receiver's capability can read, a notifier's can write, a caller's can write and grant a \
                   reply, and none can do more: nobody can receive on another's endpoint, and no domain holds a \
                   capability to the endpoint its faults go to. (Decided by what was built, not by the \
                   description.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Built(minimal_rights),
    },
    Rule {
        id: "ISO-19",
        title: "built as declared",
        sentence: "What was built allows exactly what the description declares: who maps which memory and how, \
                   channels with their directions and ids, parents, interrupts, time, and no other capability. \
                   (Decided by what was built.)",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Built(as_declared),
    },
];

fn minimal_rights(made: &Made, found: &mut Found) {
    let Made { built, declared } = made;
    for grant in &built.grants {
        let (needs, has) = (grant.purpose.needs(), grant.rights);
        let nothing = grant.purpose == Purpose::Nothing;
        if has == needs && !nothing {
            continue;
        }
        let holder = grant.holder.map(|domain| built.name(Some(domain)));
        let place = holder.and_then(|holder| declared.protection_domain(holder));
        let place = place.map_or(Place::default(), |domain| domain.place);
        let owner = grant.owner.flatten().map(|domain| built.name(Some(domain)));
        let names: Vec<&str> = holder.into_iter().chain(owner.filter(|&owner| Some(owner) != holder)).collect();
        let who = if let Some(holder) = holder { format!("'{holder}'") } else { "the monitor".into() };
        let lies = &grant.lies;
        if has.includes(needs) || nothing {
            let message = format!("{who} has {has} {}, {lies}; {}", what(built, grant), needed(grant));
            let help = if nothing {
                "no Microkit system has such a capability: build the image anew with `make image`"
            } else {
                "lower it with `totebox harden`, as `make image` does"
            };
            found.error(place, &names, message + &stolen(built, grant), help);
        } else {
            let message = format!("{who} has only {has} {}, {lies}; {}", what(built, grant), needed(grant));
            found.error(place, &names, message, "build the image anew with `make image`");
        }
    }
}

/// "on the endpoint of 'b', to call it".
fn what(built: &Built, grant: &Grant) -> String {
    let kind = grant.kind();
    let of = match grant.owner {
        Some(owner) if owner == grant.holder => format!("its own {kind}"),
        Some(Some(owner)) => format!("the {kind} of '{}'", built.name(Some(owner))),
        Some(None) => format!("the monitor's {kind}"),
        None => format!("the {kind} of nobody"),
    };
    let for_what = match grant.purpose {
        Purpose::Receive | Purpose::Bound => "to receive",
        Purpose::Notify => "to notify it",
        Purpose::Call => "to call it",
        Purpose::Fault => "for its faults",
        Purpose::FaultCopy => "a copy of its fault endpoint",
        Purpose::Ready => "to say that it is ready",
        Purpose::Interrupt => "to be notified",
        Purpose::Time => "to bind its time to",
        Purpose::Nothing => "for nothing",
    };
    format!("on {of}, {for_what}")
}

fn needed(grant: &Grant) -> String {
    format!("it needs {}", grant.purpose.needs())
}

/// What receiving at somebody else's endpoint comes to.
fn stolen(built: &Built, grant: &Grant) -> String {
    let Some(owner) = grant.owner.filter(|_| grant.endpoint && grant.can_steal()) else {
        return String::new();
    };
    let senders = |is: fn(Purpose) -> bool| -> BTreeSet<&str> {
        let all = built.grants.iter().filter(|other| other.object == grant.object && is(other.purpose));
        let others = all.filter(|other| other.holder != grant.holder && other.rights.write);
        others.map(|other| built.name(other.holder)).collect()
    };
    let calls = senders(|purpose| purpose == Purpose::Call);
    let faults = senders(|purpose| purpose == Purpose::Fault);
    let part = |what: &str, who: BTreeSet<&str>| {
        let who: Vec<&str> = who.into_iter().collect();
        (!who.is_empty()).then(|| format!("the {what} of {}", list(&who)))
    };
    let parts: Vec<String> = [part("calls", calls), part("faults", faults)].into_iter().flatten().collect();
    let owner = owner.map_or("the monitor".to_owned(), |owner| format!("'{}'", built.name(Some(owner))));
    if parts.is_empty() {
        return format!(", and it can receive what is sent to {owner}");
    }
    format!(", and it can receive {} in the place of {owner}, and answer them", parts.join(" and "))
}

fn as_declared(made: &Made, found: &mut Found) {
    for difference in compare(made.built, made.declared) {
        let names: Vec<&str> = difference.names.iter().map(String::as_str).collect();
        let help = "the image is of another description, or was changed: build it anew with `make image`";
        found.error(difference.place, &names, difference.message, help);
    }
}
