//! The tables of who can do what: domain to domain, domain to memory, and the closures.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use totebox_sdf::Perms;

use crate::authority::{Authority, Control, How, Reach};
use crate::{Case, Closure, sentence};
use totebox_common::units::show_size;

/// More columns than this need a smaller print.
const COLUMNS_MANY: usize = 16;

/// A table of subjects by columns, with upright headings. `cell` is one row's cell in a column.
fn grid(rows: &[(String, Markup)], columns: &[&str], cell: impl Fn(usize, usize) -> Markup) -> Markup {
    html! {
        div.wide {
            table.grid.many[columns.len() > COLUMNS_MANY] {
                thead {
                    tr {
                        th {}
                        @for column in columns { th.upright scope="col" { span { (column) } } }
                    }
                }
                @for (index, (name, more)) in rows.iter().enumerate() {
                    tr { th scope="row" { (name) (more) } @for column in 0..columns.len() { (cell(index, column)) } }
                }
            }
        }
    }
}

fn names(authority: &Authority) -> Vec<&str> {
    authority.subjects.iter().map(|subject| subject.name.as_str()).collect()
}

fn rows(authority: &Authority) -> Vec<(String, Markup)> {
    names(authority).into_iter().map(|name| (name.to_owned(), html! {})).collect()
}

/// What a row's subject can do to a column's.
pub fn acts(case: &Case) -> Markup {
    let authority = case.authority;
    // Letters, in their order, and what they stand for.
    let mut cells: BTreeMap<(usize, usize), BTreeSet<(usize, char)>> = BTreeMap::new();
    let mut regions: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    let mut add = |from, to, letter: char| {
        let order = LETTERS.iter().position(|(known, _)| *known == letter).unwrap_or_default();
        cells.entry((from, to)).or_default().insert((order, letter));
    };
    for edge in &authority.edges {
        let (from, to) = (edge.from, edge.to);
        match &edge.how {
            How::Write(region) => {
                add(from, to, 'W');
                add(to, from, 'R');
                regions.entry((from, to)).or_default().push(region);
            }
            How::Signal => add(from, to, 'S'),
            How::Call => add(from, to, 'C'),
            How::Control(Control::Parent) => add(from, to, 'P'),
            How::Control(_) => add(from, to, 'T'),
            How::Answer | How::Fault => {} // Said by C and P of the other.
        }
    }
    let by = |from, to| regions.get(&(from, to)).map_or(String::new(), |regions| regions.join(", "));
    html! {
        p.legend {
            "The row's domain can do this to the column's: "
            @for (letter, means) in LETTERS { b { (letter) } " " (means) "; " }
            "who is called can answer, and a child's faults go to its parent."
        }
        (grid(&rows(authority), &names(authority), |from, to| match cells.get(&(from, to)) {
            None if from == to => html! { td.self {} },
            None => html! { td {} },
            Some(letters) => {
                let controls = letters.iter().any(|(_, letter)| matches!(letter, 'P' | 'T'));
                let calls = letters.iter().any(|(_, letter)| *letter == 'C');
                let (writes, reads) = (by(from, to), by(to, from));
                let mut title = format!("{} to {}", authority.name(from), authority.name(to));
                if !writes.is_empty() { title += &format!("\nwrites {writes}"); }
                if !reads.is_empty() { title += &format!("\nreads {reads}"); }
                html! {
                    td.acts.controls[controls].calls[calls] title=(title) { @for (_, letter) in letters { (letter) } }
                }
            }
        }))
    }
}

/// What the letters of [`acts`] stand for.
const LETTERS: [(char, &str); 6] = [
    ('W', "writes memory it maps"),
    ('R', "reads memory it writes"),
    ('S', "signals (notifies) it"),
    ('C', "calls it"),
    ('P', "is its parent and controls it"),
    ('T', "has a capability of its thread, CPU time or address space"),
];

/// How each subject maps each region.
pub fn regions(case: &Case) -> Markup {
    let (system, authority) = (case.system, case.authority);
    let mut cells: BTreeMap<(usize, usize), (Perms, bool, bool)> = BTreeMap::new();
    for access in &authority.accesses {
        let (perms, told, uncached) = cells.entry((access.region, access.subject)).or_default();
        if access.vaddr.is_none() {
            *told = true;
            continue;
        }
        perms.read |= access.perms.read;
        perms.write |= access.perms.write;
        perms.execute |= access.perms.execute;
        *uncached |= !access.cached;
    }
    let row = |region: &totebox_sdf::MemoryRegion| {
        let more = html! {
            small {
                @if let Some(size) = region.size { " " (show_size(size)) }
                @if let Some(at) = region.phys_addr { " at " (format!("{at:#x}")) }
                @if let Some(content) = region.prefill_path.as_ref().or(region.prefill_bootinfo.as_ref()) {
                    " from " (content)
                }
            }
        };
        (region.name.clone(), more)
    };
    let rows: Vec<(String, Markup)> = system.regions.iter().map(row).collect();
    html! {
        p.legend {
            "How a column's domain maps a row's region: " b { "r" } " reads, " b { "w" } " writes, " b { "x" }
            " executes, " b { "u" } " not through the cache; " b { "d" }
            " is told its physical address, to tell a device. Regions with “at” are at that physical address; those \
             with “from” are filled by the build."
        }
        (grid(&rows, &names(authority), |region, subject| match cells.get(&(region, subject)) {
            None => html! { td {} },
            Some((perms, told, uncached)) => html! {
                td.acts.writes[perms.write] title={ (authority.name(subject)) ", " (system.regions[region].name) } {
                    (perms) @if *uncached { "u" } @if *told { "d" }
                }
            },
        }))
    }
}

/// Both closures, with what needs a mediator told apart.
pub fn closures(case: &Case, checked: &crate::Report) -> Markup {
    let authority = case.authority;
    let table = |reach: &Reach, closure: &Closure| {
        let holds = |of: &BTreeMap<String, Vec<String>>, from: usize, to: usize| {
            of.get(authority.name(from))
                .is_some_and(|reached| reached.iter().any(|name| name == authority.name(to)))
        };
        let direct: Vec<BTreeSet<usize>> =
            (0..authority.subjects.len()).map(|from| reach.closure(from, |_| false)).collect();
        grid(&rows(authority), &names(authority), |from, to| {
            let (class, mark, how) = if from == to {
                return html! { td.self {} };
            } else if direct[from].contains(&to) {
                ("direct", "●", "directly")
            } else if holds(&closure.unmediated, from, to) {
                ("through", "○", "through others")
            } else if holds(&closure.all, from, to) {
                ("mediated", "m", "only if a mediator does wrong")
            } else {
                return html! { td {} };
            };
            html! { td class=(class) title={ (authority.name(from)) " → " (authority.name(to)) ": " (how) } { (mark) } }
        })
    };
    html! {
        p {
            "Everything of section 4, followed from domain to domain. "
            b { "●" } " directly; " b { "○" } " through others, none of which is a mediator; "
            b { "m" } " only if a mediator does wrong"
            @match case.policy {
                Some(policy) => { " (" (sentence(policy.mediators(), "or")) ")" }
                None => { ": without a policy nobody is one" }
            }
            "; empty: not at all. A device that reaches all memory by itself is in no closure (ISO-12)."
        }
        h3 { "Influence" }
        p.legend {
            "The row's domain can change what the column's does: by memory, notifications, calls, answers, faults or \
             control."
        }
        (table(&authority.influence(), &checked.influence))
        h3 { "Knowledge" }
        p.legend {
            "What the row's domain knows can come to the column's: by the same ways, but for notifications, which \
             carry nothing."
        }
        (table(&authority.knowledge(), &checked.knowledge))
    }
}
