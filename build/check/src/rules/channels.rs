//! Rules about channels: ISO-3, ISO-5.

use std::collections::{BTreeMap, HashMap};

use totebox_sdf::{Channel, End, ProtectionDomain};

use super::evidence::some;
use crate::authority::How;
use crate::{Case, Found, Judge, Policy, Rule, Scope};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-3",
        title: "the manifest's channels",
        sentence: "Every channel joins two different domains, is the only one between them, and has an effect; in \
                   a deployment, every channel is in the manifests, with the same ends, ids and directions.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(of_the_manifest, channels_there),
    },
    Rule {
        id: "ISO-5",
        title: "calls go upward",
        sentence: "Protected calls form no circle and go to a strictly higher priority; in a deployment, every \
                   domain's priority lies in the band of its role.",
        scope: Scope::Any,
        waivable: false,
        judge: Judge::Description(calls_go_upward, calls_there),
    },
];

fn of_the_manifest(case: &Case, found: &mut Found) {
    let mut between: HashMap<[&str; 2], u32> = HashMap::new();
    for channel in &case.system.channels {
        let [a, b] = &channel.ends;
        let names = [a.pd.as_str(), b.pd.as_str()];
        if a.pd == b.pd {
            found.error(
                channel.place,
                &names[..1],
                format!("a channel joins '{}' to itself", a.pd),
                "remove it; a domain needs no channel to wake itself",
            );
            continue;
        }
        if !(a.notify || b.notify || a.pp || b.pp) {
            found.error(
                channel.place,
                &names,
                format!("the channel between '{}' and '{}' has no effect", a.pd, b.pd),
                "remove it, or let one end notify or call",
            );
        }
        let mut pair = names;
        pair.sort_unstable();
        match between.get(&pair) {
            None => _ = between.insert(pair, channel.place.line),
            Some(first) => found.error(
                channel.place,
                &names,
                format!("'{}' and '{}' are joined twice, first in line {first}", a.pd, b.pd),
                "join two domains by one channel; what the notification is about stands in shared memory",
            ),
        }
        if let Some(policy) = case.policy {
            in_manifest(channel, policy, found);
        }
    }
}

fn channels_there(case: &Case) -> String {
    let system = case.system;
    let declared = case.policy.map(|policy| policy.channels.len());
    let declared = declared.map_or(String::new(), |n| format!("; the manifests declare {n}"));
    format!("{}{declared}", count(system.channels.len(), "channel"))
}

fn in_manifest(channel: &Channel, policy: &Policy, found: &mut Found) {
    let ends = &channel.ends;
    let names = [ends[0].pd.as_str(), ends[1].pd.as_str()];
    let declared = policy.channels.iter().find_map(|declared| {
        let of = |end: usize| declared.ends[end].0.as_str();
        [[0, 1], [1, 0]].into_iter().find(|order| order.map(of) == names).map(|order| (declared, order))
    });
    let Some((declared, order)) = declared else {
        let message = format!("the channel between '{}' and '{}' is not in the manifest", names[0], names[1]);
        found.error(channel.place, &names, message, "remove it");
        return;
    };
    for (end, at) in ends.iter().zip(order) {
        let id = declared.ends[at].1;
        let [me, peer] = if end.pd == names[0] { names } else { [names[1], names[0]] };
        let mut wrong = |message: String, help: &str| found.error(end.place, &[me, peer], message, help);
        if end.notify && !declared.notifies[at] {
            wrong(format!("'{me}' may notify '{peer}', which is not in the manifest"), "write notify=\"false\"");
        }
        if end.pp {
            wrong(format!("'{me}' may call '{peer}', which is not in the manifest"), "remove pp=\"true\"");
        }
        if end.id != id {
            let message = format!("the channel to '{peer}' is {} in '{me}', and {id} in its manifest", end.id);
            wrong(message, "write the description anew with `totebox system`");
        }
    }
}

/// Who calls, and at which end: caller, callee, the caller's end.
fn calls<'a>(case: &Case<'a>) -> Vec<(&'a str, &'a str, &'a End)> {
    let ends = case.system.channels.iter().flat_map(|channel| {
        let [a, b] = &channel.ends;
        [(a, b), (b, a)]
    });
    ends.filter(|(caller, _)| caller.pp).map(|(caller, callee)| (&*caller.pd, &*callee.pd, caller)).collect()
}

fn calls_go_upward(case: &Case, found: &mut Found) {
    let all: Vec<&ProtectionDomain> = case.system.all_protection_domains().into_iter().map(|(pd, _)| pd).collect();
    let priority: HashMap<&str, u8> = all.iter().map(|pd| (pd.name.as_str(), pd.scheduling.priority)).collect();
    let calls = calls(case);
    for &(caller, callee, end) in &calls {
        let (low, high) = (priority[caller], priority[callee]);
        if low >= high && caller != callee {
            found.error(
                end.place,
                &[caller, callee],
                format!("'{caller}' (priority {low}) calls '{callee}' (priority {high}), which is not above it"),
                format!("give '{callee}' a higher priority than everybody who calls it"),
            );
        }
    }
    for circle in circles(&calls) {
        let (_, _, end) = calls.iter().find(|call| call.0 == circle[0]).expect("a circle is made of calls");
        let way =
            circle.iter().chain([&circle[0]]).map(|pd| format!("'{pd}'")).collect::<Vec<_>>().join(" calls ");
        found.error(
            end.place,
            &circle,
            format!("protected calls form a circle, in which all can wait for each other: {way}"),
            "turn one of the calls into a notification",
        );
    }
    let Some(policy) = case.policy else { return };
    for pd in all {
        let Some(role) = policy.role(&pd.name) else { continue };
        let (lowest, highest) = role.priorities;
        let priority = pd.scheduling.priority;
        if !(lowest..=highest).contains(&priority) {
            found.error(
                pd.place,
                &[&pd.name],
                format!("'{}' has priority {priority}; its role's are {lowest} to {highest}", pd.name),
                "write the description anew with `totebox system`",
            );
        }
    }
}

fn calls_there(case: &Case) -> String {
    let (system, authority) = (case.system, case.authority);
    let of_subject = |subject: usize| authority.name(subject);
    let edges = |is: fn(&How) -> bool| authority.edges.iter().filter(move |edge| is(&edge.how));
    let priority = |name: &str| system.protection_domain(name).map_or(0, |pd| pd.scheduling.priority);
    let show = |name: &str| format!("'{name}' ({})", priority(name));
    let calls = edges(|how| *how == How::Call).map(|edge| [edge.from, edge.to].map(of_subject));
    some("protected call", calls.map(|[from, to]| format!("{} calls {}", show(from), show(to))))
}

/// One circle through each set of domains that call each other, each starting with its first by name.
fn circles<'a>(calls: &[(&'a str, &'a str, &End)]) -> Vec<Vec<&'a str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    calls.iter().for_each(|&(caller, callee, _)| next.entry(caller).or_default().push(callee));
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for &start in next.keys() {
        if circles.iter().flatten().any(|&pd| pd == start) {
            continue;
        }
        let mut before: HashMap<&str, &str> = HashMap::new();
        let mut queue = vec![start];
        while let Some(at) = queue.pop() {
            for &to in next.get(at).into_iter().flatten() {
                if !before.contains_key(to) {
                    before.insert(to, at);
                    queue.push(to);
                }
            }
        }
        if before.contains_key(start) {
            let mut circle = vec![start];
            let mut at = before[start];
            while at != start {
                circle.push(at);
                at = before[at];
            }
            circle[1..].reverse();
            circles.push(circle);
        }
    }
    circles
}
