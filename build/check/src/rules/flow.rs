//! Rules about what can go from whom to whom: ISO-6, ISO-7, ISO-18.

use std::collections::BTreeSet;

use super::evidence::{isolated_domains, isolated_role};
use crate::authority::{Control, How, Reach};
use crate::{Case, Found, Judge, Policy, Reporting, Rule, Scope, list, sentence};
use totebox_common::units::count;

pub const RULES: &[Rule] = &[
    Rule {
        id: "ISO-6",
        title: "influence",
        sentence: "Nobody can write, signal, call or control another domain beyond what the roles of both are \
                   declared to need, and every path from one archive to another leads through a named mediator: \
                   orchestrator, vault, console or auditor.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(influence, ways_to_act),
    },
    Rule {
        id: "ISO-7",
        title: "knowledge",
        sentence: "Nobody can read what another domain writes, or its registers, beyond what the roles of both are \
                   declared to need, or what the build fills for another, and every path from one archive's data to another archive leads through a \
                   named mediator.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(knowledge, ways_to_learn),
    },
    Rule {
        id: "ISO-18",
        title: "audit findings",
        sentence: "The operator learns of an audit finding only through the orchestrator: nothing joins the auditor \
                   directly to the console or to an archive, except that it reads what an archive publishes of \
                   its own health; and every other path from the auditor to them leads through the vault, which \
                   carries requests and disk contents, and no findings.",
        scope: Scope::Policy,
        waivable: false,
        judge: Judge::Flow(audit_findings, ways_of_the_judge),
    },
];

fn influence(case: &Case, found: &mut Found) {
    let Some(policy) = case.policy else { return };
    let authority = case.authority;
    let reach = authority.influence();
    for (index, subject) in authority.subjects.iter().enumerate() {
        if policy.role(&subject.name).is_none() {
            let reached: Vec<&str> =
                reach.closure(index, |_| true).into_iter().map(|to| authority.name(to)).collect();
            found.error(
                subject.place,
                &[&subject.name],
                format!("'{}' is not in the manifests; it can influence {}", subject.name, some(&reached)),
                "remove it, or add it to the deployment with `totebox provision`",
            );
        }
    }
    for edge in &authority.edges {
        let (from, to) = (authority.name(edge.from), authority.name(edge.to));
        if !policy.allows(from, to, &edge.how) {
            let message = format!("'{from}' {}, which their roles do not need", says(&edge.how, to));
            found.error(edge.places[0], &names(from, to, &edge.how), message, way_out(&edge.how));
        }
    }
    between_isolated(case, policy, &reach, "can influence", found);
}

fn ways_to_act(case: &Case) -> String {
    let authority = case.authority;
    format!("direct ways to act: {}; {}", authority.edges.len(), pairs(case, &authority.influence()))
}

fn knowledge(case: &Case, found: &mut Found) {
    let Some(policy) = case.policy else { return };
    let authority = case.authority;
    for edge in &authority.edges {
        let (from, to) = (authority.name(edge.from), authority.name(edge.to));
        if policy.allows(from, to, &edge.how) {
            continue;
        }
        // Who controls another can read it; everything else tells the one who is acted on.
        let (who, whom, place, what) = match &edge.how {
            How::Signal | How::Control(Control::Time) => continue,
            How::Control(_) => {
                (from, to, edge.places[0], "the registers and memory of the domain it controls".into())
            }
            How::Write(region) => (to, from, edge.places[1], format!("the region '{region}'")),
            How::Call => (to, from, edge.places[0], "the message of a call".into()),
            How::Answer => (to, from, edge.places[1], "the answer to a call".into()),
            How::Fault => (to, from, edge.places[0], "the message of a fault".into()),
        };
        let message = format!("'{who}' learns from '{whom}', by {what}, which their roles do not need");
        found.error(place, &names(who, whom, &edge.how), message, way_out(&edge.how));
    }
    filled_for_another(case, policy, found);
    between_isolated(case, policy, &authority.knowledge(), "can pass data to", found);
}

fn ways_to_learn(case: &Case) -> String {
    let authority = case.authority;
    let edges = |is: fn(&How) -> bool| authority.edges.iter().filter(move |edge| is(&edge.how));
    let tells = edges(|how| !matches!(how, How::Signal | How::Control(Control::Time))).count();
    format!("direct ways to learn: {tells}; {}", pairs(case, &authority.knowledge()))
}

/// What the build fills for one domain, its manifest or its signing key, and another one maps: whatever region it
/// is filled into.
fn filled_for_another(case: &Case, policy: &Policy, found: &mut Found) {
    for access in &case.authority.accesses {
        let region = &case.system.regions[access.region];
        let who = case.authority.name(access.subject);
        let Some(file) = &region.prefill_path else { continue };
        let Some(declared) = policy.fills.iter().find(|fill| fill.file == *file) else { continue };
        let readers: Vec<&str> = declared.readers.iter().map(String::as_str).collect();
        if !readers.contains(&who) {
            let message =
                format!("'{who}' can read '{}', which is filled for {} alone", region.name, list(&readers));
            let names: Vec<&str> = [who, &region.name].into_iter().chain(readers).collect();
            found.error(access.place, &names, message, "remove the map");
        }
    }
}

/// Isolated domains that reach each other by others than those that mediate.
fn between_isolated(case: &Case, policy: &Policy, reach: &Reach, what: &str, found: &mut Found) {
    let authority = case.authority;
    let may_pass = |subject: usize| !case.is_mediator(subject);
    for (index, subject) in authority.subjects.iter().enumerate() {
        let Some(role) = policy.role(&subject.name).filter(|role| role.isolated) else { continue };
        let Some(path) = reach.path(index, |to| case.is_isolated(to) && authority.domain(to) != index, may_pass)
        else {
            continue;
        };
        let names: Vec<&str> = path.iter().map(|&subject| authority.name(subject)).collect();
        // One step is an edge that no role needs: it has been reported as such.
        let [_, via @ .., to] = &names[..] else { continue };
        if via.is_empty() {
            continue;
        }
        found.error(
            subject.place,
            &names,
            format!(
                "the {0} '{1}' {what} the {0} '{to}' through {2}, and no mediator is between them",
                role.name,
                subject.name,
                list(via)
            ),
            format!(
                "remove one of the steps; only {} may mediate",
                sentence(policy.mediators().into_iter().map(|name| format!("the {name}")), "and")
            ),
        );
    }
}

fn audit_findings(case: &Case, found: &mut Found) {
    let Some(Reporting { from: judge, apart, watched, through }) =
        case.policy.and_then(|policy| policy.reporting.as_ref())
    else {
        return;
    };
    let (authority, gate) = (case.authority, through[0]);
    let role = |subject: usize| case.role(subject).map(|role| role.name);
    let is = |role: Option<&'static str>, among: &[&'static str]| role.is_some_and(|role| among.contains(&role));
    for edge in &authority.edges {
        let (from, to) = (role(edge.from), role(edge.to));
        let reads = matches!(edge.how, How::Write(_)) && is(from, watched);
        let hears = from == Some(judge) && is(to, apart);
        let tells = to == Some(judge) && is(from, apart) && !reads;
        if !hears && !tells {
            continue;
        }
        let (from, to) = (authority.name(edge.from), authority.name(edge.to));
        let message = format!("'{from}' {}; findings must go through the {gate}", says(&edge.how, to));
        found.error(edge.places[0], &names(from, to, &edge.how), message, way_out(&edge.how));
    }
    let Some(from) = (0..authority.subjects.len()).find(|&subject| role(subject) == Some(judge)) else { return };
    let path = authority.knowledge().path(from, |to| is(role(to), apart), |subject| !is(role(subject), through));
    // A path of one step has been reported above.
    if let Some(path) = path.filter(|path| path.len() > 2) {
        let names: Vec<&str> = path.iter().map(|&subject| authority.name(subject)).collect();
        let (to, via) = (names[names.len() - 1], &names[1..names.len() - 1]);
        found.error(
            authority.subjects[from].place,
            &names,
            format!("what the {judge} finds can reach '{to}' through {} instead of the {gate}", list(via)),
            "remove one of the steps",
        );
    }
}

fn ways_of_the_judge(case: &Case) -> String {
    let authority = case.authority;
    let of_subject = |subject: usize| authority.name(subject);
    let Some(judge) = case.policy.and_then(|policy| Some(policy.reporting.as_ref()?.from)) else {
        return "nobody judges others".into();
    };
    let judges = |subject: usize| case.role(subject).is_some_and(|role| role.name == judge);
    let acted_on = authority.edges.iter().filter(|edge| judges(edge.from)).map(|edge| edge.to);
    let acts = authority.edges.iter().filter(|edge| judges(edge.to)).map(|edge| edge.from);
    let names = |subjects: BTreeSet<usize>| {
        let (isolated, rest): (Vec<usize>, Vec<usize>) =
            subjects.into_iter().partition(|&subject| case.is_isolated(subject));
        let rest = list(&rest.into_iter().map(of_subject).collect::<Vec<_>>());
        match isolated.len() {
            0 => rest,
            several => format!("{rest}; {}", count(several, isolated_role(case).0)),
        }
    };
    format!("the {judge} acts on {}; on it act {}", names(acted_on.collect()), names(acts.collect()))
}

/// "can write 'x', which 'b' maps".
pub fn says(how: &How, to: &str) -> String {
    match how {
        How::Write(region) => format!("can write '{region}', which '{to}' maps"),
        How::Signal => format!("can notify '{to}'"),
        How::Call => format!("can call '{to}'"),
        How::Answer => format!("answers calls of '{to}'"),
        How::Control(Control::Parent) => format!("is the parent of '{to}' and controls it"),
        How::Control(Control::Thread) => format!("has the thread of '{to}' and controls it"),
        How::Control(Control::Time) => format!("has the CPU time of '{to}' and can stop it"),
        How::Control(Control::Memory) => format!("has the address space of '{to}' and can map into it"),
        How::Fault => format!("sends its faults to '{to}'"),
    }
}

fn way_out(how: &How) -> &'static str {
    match how {
        How::Write(_) => "remove one of the two maps",
        How::Signal => "remove the channel, or write notify=\"false\" at this end",
        How::Call | How::Answer => "remove pp=\"true\" from the channel",
        How::Control(Control::Parent) | How::Fault => "declare the child beside its parent, not in it",
        How::Control(_) => "remove the capability from <cspace>",
    }
}

fn names<'a>(a: &'a str, b: &'a str, how: &'a How) -> Vec<&'a str> {
    match how {
        How::Write(region) => vec![a, b, region],
        _ => vec![a, b],
    }
}

/// The names, or how many there are if they would fill the line.
fn some(names: &[&str]) -> String {
    if names.len() > 6 { format!("{} others", names.len()) } else { list(names) }
}

/// How many isolated domains reach each other, and how.
fn pairs(case: &Case, reach: &Reach) -> String {
    let domains = isolated_domains(case);
    let reached = |may_pass: &dyn Fn(usize) -> bool| {
        let others =
            |&from: &usize| reach.closure(from, may_pass).into_iter().filter(|to| domains.contains(to)).count();
        domains.iter().map(others).sum::<usize>()
    };
    let all = domains.len() * domains.len().saturating_sub(1);
    let (any, unmediated) = (reached(&|_| true), reached(&|subject| !case.is_mediator(subject)));
    let (mediated, many) = (any - unmediated, isolated_role(case).1);
    format!(
        "of {all} ordered pairs of {many}, {unmediated} reach the other without a mediator and {mediated} only \
         if one does wrong"
    )
}
