//! What became of all calls, by cause. Of bounded size, however long the run.

use std::collections::BTreeMap;

use crate::ask::{Ask, Ending};

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) aborted: u64,
    pub(crate) cross_talk: u64,
    pub(crate) lost: u64,
    /// POSTs that were answered: their function has told of each.
    pub(crate) posts: u64,
    /// Bytes of bodies, both ways, of answered calls.
    pub(crate) bytes: u64,
    /// Requests by what their client does.
    kinds: BTreeMap<&'static str, u64>,
    /// Errors that the run made itself, by function, fault and error.
    made: BTreeMap<String, u64>,
    /// All others.
    unmade: BTreeMap<String, u64>,
    /// Changes of the table, by kind.
    changes: BTreeMap<&'static str, u64>,
    /// The first things that were wrong, in words.
    wrong: Vec<String>,
}

impl Books {
    /// Enters one call of a kind.
    pub(crate) fn call(&mut self, kind: &'static str, ask: &Ask, ending: Ending) {
        self.requests += 1;
        *self.kinds.entry(kind).or_default() += 1;
        match ending {
            Ending::Answered => {
                self.answered += 1;
                self.posts += u64::from(ask.post && ask.function.tells());
                self.bytes += (ask.sends + ask.size) as u64;
            }
            Ending::Aborted => self.aborted += 1,
            Ending::Error(error) => {
                let cause = format!("{} {} {error:?}", ask.function.name(), ask.fault);
                if ask.function.makes(error) {
                    *self.made.entry(cause).or_default() += 1;
                } else {
                    self.note(&format!("{kind}: {error:?}: {ask:?}"));
                    *self.unmade.entry(cause).or_default() += 1;
                }
            }
            Ending::CrossTalk(how) => {
                self.cross_talk += 1;
                self.note(&format!("{kind}: cross-talk: {how}: {ask:?}"));
            }
            Ending::Lost => {
                self.lost += 1;
                self.note(&format!("{kind}: lost: {ask:?}"));
            }
        }
    }

    /// Enters one change of the table; `Err` if it was refused.
    pub(crate) fn change(&mut self, kind: &'static str, done: Result<(), String>) {
        *self.changes.entry(kind).or_default() += 1;
        if let Err(why) = done {
            self.note(&format!("{kind}: {why}"));
            *self.unmade.entry(format!("{kind} refused")).or_default() += 1;
        }
    }

    pub(crate) fn note(&mut self, what: &str) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(what.to_owned());
        }
    }

    pub(crate) fn changed(&self) -> u64 {
        self.changes.values().sum()
    }

    pub(crate) fn lines(&self, seconds: f64) -> Vec<String> {
        let made: u64 = self.made.values().sum();
        let unmade: u64 = self.unmade.values().sum();
        let lines = vec![
            format!(
                "{} requests ({:.0}/s, {} MiB of bodies): {} answered, {} aborted by their clients, \
                 {made} errors of this run's making, {unmade} others",
                self.requests,
                self.requests as f64 / seconds,
                self.bytes >> 20,
                self.answered,
                self.aborted
            ),
            format!("by kind: {}", list(&self.kinds)),
            format!("errors of its making: {}", list(&self.made)),
            format!("other errors: {}", list(&self.unmade)),
            format!("table: {} changes: {}", self.changed(), list(&self.changes)),
            format!("cross-talk {}, lost {}", self.cross_talk, self.lost),
        ];
        lines
    }

    /// Everything that should not have been.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let count = self.unmade.values().sum::<u64>() + self.cross_talk + self.lost;
        let mut wrongs = self.wrong.clone();
        if count > wrongs.len() as u64 {
            wrongs.push(format!("and so on, {count} in all"));
        }
        wrongs
    }
}

fn list(counts: &BTreeMap<impl std::fmt::Display, u64>) -> String {
    let items: Vec<String> = counts
        .iter()
        .map(|(what, n)| format!("{n} {what}"))
        .collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

const WRONG_MAX: usize = 10;
