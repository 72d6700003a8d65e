//! Which call is run next: one lane per function that has calls, lanes taken in turn. In memory,
//! and bounded: a lane knows the next few calls, the rest stay in the database.
//!
//! **Invariant:** a call is claimed by at most one attempt, from the moment a lane knows it until
//! what became of it is committed. That a claim is not written down is what makes a crash
//! harmless: at the next start every call that is not done is to be run.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::questions::Due;
use crate::queue::job::Millis;
use crate::queue::window::Window;

/// The lanes.
#[derive(Default)]
pub(super) struct Schedule {
    lanes: HashMap<Arc<str>, Lane>,
    /// Lanes whose next call may be run, each once.
    ring: VecDeque<Arc<str>>,
    /// Calls that some lane knows, or that run.
    claimed: HashSet<i64>,
    running: usize,
}

/// One function's calls.
#[derive(Default)]
struct Lane {
    /// The next ones, claimed.
    ready: VecDeque<i64>,
    /// Claimed ones, running ones included.
    claimed: usize,
    running: usize,
    /// Calls that are not done, claimed or not.
    pending: u64,
    /// Whether the database may have queued ones that are not claimed.
    more: bool,
    /// Whether it is being asked.
    fetching: bool,
    /// When the first failed one that is not claimed is due.
    alarm: Option<Millis>,
    in_ring: bool,
    /// Less than the limit while the function says that it has too many calls.
    window: Window,
}

/// What became of a claimed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is not pending any more.
    Ended,
    /// It failed and is due again.
    Due(Millis),
    /// Something else had ended it.
    Untouched,
    /// It was not run: it is looked for again.
    Unread,
}

/// A call to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) seq: i64,
    pub(super) function: Arc<str>,
}

/// What to ask the database for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) function: Arc<str>,
    /// As many as are claimed, which it tells too, and as many as have room.
    pub(super) count: usize,
}

impl Schedule {
    /// Lanes of calls that are in the database.
    pub(super) fn new(pending: &[(String, u64)]) -> Self {
        let mut schedule = Self::default();
        for (function, count) in pending {
            let lane = schedule.lane(function);
            lane.pending = *count;
            lane.more = true;
            // Failed ones among them are found by asking.
            lane.alarm = Some(Millis(0));
        }
        schedule
    }

    fn lane(&mut self, function: &str) -> &mut Lane {
        if !self.lanes.contains_key(function) {
            self.lanes.insert(function.into(), Lane::default());
        }
        // Inserted above.
        self.lanes.entry(function.into()).or_default()
    }

    /// A call was committed.
    pub(super) fn arrived(&mut self, function: &str, seq: i64) {
        // The database shows a call before this is said of it: it may be known already.
        let is_known = self.claimed.contains(&seq);
        let lane = self.lane(function);
        lane.pending += 1;
        if is_known {
            return;
        }
        if lane.more || lane.fetching || lane.ready.len() >= WINDOW {
            lane.more = true;
            return;
        }
        lane.ready.push_back(seq);
        lane.claimed += 1;
        self.claimed.insert(seq);
        self.enter(function);
    }

    /// Puts a lane into the ring when it has something and is not there.
    fn enter(&mut self, function: &str) {
        let Some((name, lane)) = self.lanes.get_key_value(function) else {
            return;
        };
        if lane.in_ring || lane.ready.is_empty() {
            return;
        }
        self.ring.push_back(Arc::clone(name));
        self.lane(function).in_ring = true;
    }

    /// The next call, of the next function that may have one more.
    pub(super) fn pick(&mut self, limit: impl Fn(&str) -> usize) -> Option<Picked> {
        for _ in 0..self.ring.len() {
            let function = self.ring.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&function) else {
                continue;
            };
            let limit = limit(&function).max(1);
            let room = lane.window.room(limit);
            lane.in_ring = false;
            if lane.running >= room {
                // Comes back when one of its calls ends.
                continue;
            }
            let Some(seq) = lane.ready.pop_front() else {
                continue;
            };
            lane.running += 1;
            self.running += 1;
            self.enter(&function);
            return Some(Picked { seq, function });
        }
        None
    }

    /// Lanes that need to be filled; each is asked for once.
    pub(super) fn wanted(&mut self, now: Millis) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (function, lane) in &mut self.lanes {
            let due = lane.more || lane.alarm.is_some_and(|at| at <= now);
            if due && !lane.fetching && lane.ready.len() <= WINDOW / 2 {
                lane.fetching = true;
                lane.more = false;
                lane.alarm = None;
                wanted.push(Wanted {
                    function: Arc::clone(function),
                    count: lane.claimed + WINDOW,
                });
            }
            if wanted.len() == WANTED_MAX {
                break;
            }
        }
        wanted
    }

    /// What the database had for a lane; `None` when it did not answer.
    pub(super) fn fetched(&mut self, wanted: &Wanted, found: Option<[Vec<Due>; 2]>, now: Millis) {
        let function = &wanted.function;
        let Some(lane) = self.lanes.get_mut(function) else {
            return;
        };
        lane.fetching = false;
        let Some([queued, waiting]) = found else {
            lane.more = true;
            lane.alarm = Some(now);
            return;
        };
        lane.more |= queued.len() >= wanted.count;
        for call in waiting.iter().chain(&queued) {
            if call.due > now {
                let first = lane.alarm.map_or(call.due, |at| at.min(call.due));
                lane.alarm = Some(first);
            } else if self.claimed.insert(call.seq) {
                lane.ready.push_back(call.seq);
                lane.claimed += 1;
            }
        }
        if waiting.len() >= wanted.count && lane.alarm.is_none() {
            lane.alarm = Some(now);
        }
        let function = Arc::clone(function);
        self.enter(&function);
        self.tidy(&function);
    }

    /// A picked call's attempt is over, and what became of it is committed.
    pub(super) fn ended(&mut self, picked: &Picked, left: Left) {
        self.running = self.running.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(&picked.function) else {
            return;
        };
        lane.running = lane.running.saturating_sub(1);
        if self.claimed.remove(&picked.seq) {
            lane.claimed = lane.claimed.saturating_sub(1);
        }
        match left {
            Left::Ended => lane.pending = lane.pending.saturating_sub(1),
            Left::Due(at) => lane.alarm = Some(lane.alarm.map_or(at, |alarm| alarm.min(at))),
            Left::Untouched => {}
            Left::Unread => {
                lane.more = true;
                lane.alarm = Some(Millis(0));
            }
        }
        self.enter(&picked.function);
        self.tidy(&picked.function);
    }

    /// A call was cancelled; one that runs ends by itself.
    pub(super) fn cancelled(&mut self, function: &str) {
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.pending = lane.pending.saturating_sub(1);
        }
        self.tidy(function);
    }

    /// A lane without calls is forgotten.
    fn tidy(&mut self, function: &str) {
        let idle =
            |lane: &Lane| lane.pending == 0 && lane.claimed == 0 && !lane.fetching && !lane.in_ring;
        if self.lanes.get(function).is_some_and(idle) {
            self.lanes.remove(function);
        }
    }

    /// The function has too many calls, or took one.
    pub(super) fn adapt(&mut self, function: &str, crowded: bool, limit: usize) {
        let Some(lane) = self.lanes.get_mut(function) else {
            return;
        };
        lane.window.adapt(crowded, lane.running, limit);
        self.enter(function);
    }

    /// When the next failed call is due.
    pub(super) fn alarm(&self) -> Option<Millis> {
        let lanes = self.lanes.values().filter(|lane| !lane.fetching);
        lanes.filter_map(|lane| lane.alarm).min()
    }

    /// Calls that run.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Each function's calls, not done and running.
    pub(super) fn depths(&self) -> Vec<(String, u64, u64)> {
        let lanes = self.lanes.iter();
        lanes
            .map(|(name, lane)| (name.to_string(), lane.pending, lane.running as u64))
            .collect()
    }
}

/// Calls a lane knows ahead: enough that the database is asked once for many.
const WINDOW: usize = 64;
/// Lanes filled in one go.
const WANTED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &str) -> usize {
        usize::MAX
    }

    fn dues(range: std::ops::Range<i64>) -> Vec<Due> {
        range
            .map(|seq| Due {
                seq,
                due: Millis(seq),
            })
            .collect()
    }

    #[test]
    fn functions_take_turns_however_many_calls_they_have() {
        let mut schedule = Schedule::default();
        for seq in 0..50 {
            schedule.arrived("a", seq);
        }
        schedule.arrived("b", 50);
        schedule.arrived("c", 51);
        let picked: Vec<i64> = (0..4).map(|_| schedule.pick(any).unwrap().seq).collect();
        assert_eq!(picked, [0, 50, 51, 1]);
    }

    #[test]
    fn a_function_at_its_limit_waits_for_one_of_its_calls_to_end() {
        let mut schedule = Schedule::default();
        for seq in 0..3 {
            schedule.arrived("a", seq);
        }
        let first = schedule.pick(|_| 2).unwrap();
        let _second = schedule.pick(|_| 2).unwrap();
        assert_eq!(schedule.pick(|_| 2), None);
        schedule.ended(&first, Left::Ended);
        assert_eq!(schedule.pick(|_| 2).unwrap().seq, 2);
        assert_eq!(schedule.running(), 2);
    }

    #[test]
    fn a_call_is_claimed_once_whatever_the_database_says() {
        let mut schedule = Schedule::new(&[("a".to_owned(), 3)]);
        let now = Millis(1_000);
        let wanted = schedule.wanted(now).remove(0);
        assert!(schedule.wanted(now).is_empty(), "it is being asked");
        schedule.arrived("a", 4);
        schedule.fetched(&wanted, Some([dues(1..4), Vec::new()]), now);
        let again = schedule.wanted(now).remove(0);
        let one = schedule.pick(any).unwrap();
        schedule.fetched(&again, Some([dues(1..5), Vec::new()]), now);
        let mut seen = vec![one.seq];
        while let Some(picked) = schedule.pick(any) {
            seen.push(picked.seq);
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4]);
        assert!(schedule.wanted(now).is_empty());
    }

    #[test]
    fn a_call_that_was_found_before_it_was_told_of_is_run_once() {
        let mut schedule = Schedule::new(&[("a".to_owned(), 1)]);
        let now = Millis(1_000);
        let wanted = schedule.wanted(now).remove(0);
        schedule.fetched(&wanted, Some([dues(1..3), Vec::new()]), now);
        // Its commit was seen by the question, and is told of only now.
        schedule.arrived("a", 2);
        let picked: Vec<Picked> = std::iter::from_fn(|| schedule.pick(any)).collect();
        assert_eq!(picked.iter().map(|p| p.seq).collect::<Vec<_>>(), [1, 2]);
        schedule.arrived("a", 3);
        let third = schedule.pick(any).unwrap();
        for picked in picked.iter().chain([&third]) {
            schedule.ended(picked, Left::Ended);
        }
        assert!(schedule.depths().is_empty(), "each was counted once");
    }

    #[test]
    fn a_lane_is_filled_again_as_long_as_there_is_more() {
        let mut schedule = Schedule::new(&[("a".to_owned(), 1_000)]);
        let now = Millis(10_000);
        let mut seen = HashSet::new();
        let mut done = 0;
        while seen.len() < 1_000 {
            for wanted in schedule.wanted(now) {
                let page = dues(done..1_000).into_iter().take(wanted.count).collect();
                schedule.fetched(&wanted, Some([page, Vec::new()]), now);
            }
            let picked = schedule.pick(any).unwrap();
            assert!(seen.insert(picked.seq));
            schedule.ended(&picked, Left::Ended);
            done = done.max(picked.seq + 1);
        }
        assert!(schedule.depths().is_empty(), "the lane is gone");
    }

    #[test]
    fn failed_calls_come_back_when_they_are_due() {
        let mut schedule = Schedule::default();
        schedule.arrived("a", 1);
        let picked = schedule.pick(any).unwrap();
        schedule.ended(&picked, Left::Due(Millis(500)));
        assert_eq!(schedule.alarm(), Some(Millis(500)));
        assert!(schedule.wanted(Millis(499)).is_empty());
        let wanted = schedule.wanted(Millis(500)).remove(0);
        let waiting = vec![
            Due {
                seq: 1,
                due: Millis(500),
            },
            Due {
                seq: 2,
                due: Millis(900),
            },
        ];
        schedule.fetched(&wanted, Some([Vec::new(), waiting]), Millis(500));
        assert_eq!(schedule.pick(any).unwrap().seq, 1);
        assert_eq!(schedule.alarm(), Some(Millis(900)));
    }

    #[test]
    fn a_crowded_function_gets_fewer_and_then_more_again() {
        let mut schedule = Schedule::default();
        for seq in 0..40 {
            schedule.arrived("a", seq);
        }
        let running: Vec<Picked> = (0..8).map(|_| schedule.pick(|_| 8).unwrap()).collect();
        schedule.adapt("a", true, 8);
        for picked in &running {
            schedule.ended(picked, Left::Due(Millis(9)));
        }
        let fewer = std::iter::from_fn(|| schedule.pick(|_| 8)).count();
        assert_eq!(fewer, 4);
        for _ in 0..200 {
            schedule.adapt("a", false, 8);
        }
        let more = std::iter::from_fn(|| schedule.pick(|_| 8)).count();
        assert_eq!(fewer + more, 8);
    }
}
