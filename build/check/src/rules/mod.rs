//! The rules. Each stands beside what judges it; here they are put into their order.

mod built;
mod channels;
mod control;
mod cpu;
mod devices;
mod evidence;
mod flow;
mod memory;
mod names;

use super::Rule;

const FAMILIES: &[&[Rule]] = &[
    built::RULES,
    channels::RULES,
    control::RULES,
    cpu::RULES,
    devices::RULES,
    flow::RULES,
    memory::RULES,
    names::RULES,
];

pub const RULES: &[Rule] = &in_order();

const COUNT: usize = {
    let (mut family, mut count) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

/// Does not compile if a number is missing or there are two of it.
const fn in_order() -> [Rule; COUNT] {
    let (mut rules, mut placed) = ([FAMILIES[0][0]; COUNT], [false; COUNT]);
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut at = 0;
        while at < FAMILIES[family].len() {
            let rule = FAMILIES[family][at];
            let place = number(rule.id) - 1;
            assert!(!placed[place], "two rules have the same number");
            (rules[place], placed[place]) = (rule, true);
            at += 1;
        }
        family += 1;
    }
    rules
}

/// The number in `ISO-1`.
const fn number(id: &str) -> usize {
    let digits = id.as_bytes();
    let (mut at, mut number) = ("ISO-".len(), 0);
    while at < digits.len() {
        number = number * 10 + (digits[at] - b'0') as usize;
        at += 1;
    }
    number
}
