//! One function's state and what is to be done about it. Pure: no tasks, no clock, no processes.
//!
//! An update starts replicas of the new revision beside the old ones. Until as many are ready as
//! are wanted, the old revision (the *fallback*) serves and is kept up; then one publish swaps
//! the endpoints and the old replicas leave. A revision that never gets ready therefore never
//! takes traffic away from one that works.

use std::sync::Arc;

use ringway_proxy::Address;

use super::recipe::Recipe;
use super::store::Stored;
use crate::wire::Deployment;

/// What was deployed at one time.
#[derive(Debug)]
pub(super) struct Revision {
    /// Counts up with every deploy and update.
    pub(super) number: u64,
    pub(super) deployment: Deployment,
    pub(super) recipe: Recipe,
}

/// One function.
#[derive(Debug)]
pub(super) struct State {
    pub(super) current: Arc<Revision>,
    /// Serves while `current` is not ready.
    pub(super) fallback: Option<Arc<Revision>>,
    /// Replicas wanted.
    pub(super) wanted: u32,
    pub(super) created_at: String,
    pub(super) replicas: Vec<Replica>,
    /// Deleted, or the gateway is stopping.
    pub(super) life: Life,
}

/// Whether the function is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is.
    Alive,
    /// The gateway is stopping; the function stays deployed.
    Stopping,
    /// It was deleted.
    Deleted,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replica {
    /// Never used twice.
    pub(super) key: u64,
    /// Of which revision.
    pub(super) revision: u64,
    pub(super) phase: Phase,
    /// The spawner's number of its process, while there is one.
    pub(super) process: Option<u64>,
}

/// Where a replica is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not ready: starting, or waiting to be started again.
    Starting,
    /// Ready for traffic.
    Ready(Address),
    /// Out of the table; finishes its calls and ends.
    Leaving,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One entry per replica to start.
    pub(super) start: Vec<Arc<Revision>>,
    /// Keys of replicas that are to leave.
    pub(super) leave: Vec<u64>,
    /// The fallback is not needed any more.
    pub(super) settled: bool,
}

impl State {
    pub(super) fn new(current: Arc<Revision>, wanted: u32, created_at: String) -> Self {
        Self {
            current,
            fallback: None,
            wanted,
            created_at,
            replicas: Vec::new(),
            life: Life::Alive,
        }
    }

    /// What keeps serving if `current` is replaced now: the newest revision that can serve.
    pub(super) fn next_fallback(&self) -> Option<Arc<Revision>> {
        let can_serve = |revision: &Arc<Revision>| self.ready(revision).next().is_some();
        let newest_first = [Some(&self.current), self.fallback.as_ref()];
        newest_first
            .into_iter()
            .flatten()
            .find(|r| can_serve(r))
            .cloned()
    }

    /// Deploys a new revision.
    pub(super) fn update(&mut self, revision: Arc<Revision>, wanted: u32) {
        self.fallback = self.next_fallback();
        self.current = revision;
        self.wanted = wanted;
    }

    /// Compares what is with what should be.
    pub(super) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        if self.life != Life::Alive {
            plan.leave = self.staying().map(|r| r.key).collect();
            return plan;
        }
        self.adjust(&self.current, &mut plan);
        let complete = self.complete();
        let kept = self.fallback.as_ref().filter(|_| !complete);
        if let Some(fallback) = kept {
            self.adjust(fallback, &mut plan);
        }
        plan.settled = complete && self.fallback.is_some();
        let kept = [Some(self.current.number), kept.map(|r| r.number)];
        let superseded = self.staying().filter(|r| !kept.contains(&Some(r.revision)));
        plan.leave.extend(superseded.map(|r| r.key));
        plan
    }

    /// Brings a revision to the wanted number of replicas.
    fn adjust(&self, revision: &Arc<Revision>, plan: &mut Plan) {
        let mut have: Vec<&Replica> = self
            .staying()
            .filter(|r| r.revision == revision.number)
            .collect();
        let wanted = self.wanted as usize;
        let missing = wanted.saturating_sub(have.len());
        plan.start
            .extend(std::iter::repeat_n(revision, missing).cloned());
        // Of too many the ones that are not ready go first, then the youngest.
        have.sort_by_key(|r| (r.phase == Phase::Starting, r.key));
        plan.leave.extend(have.iter().skip(wanted).map(|r| r.key));
    }

    /// Addresses that take traffic.
    pub(super) fn endpoints(&self) -> Vec<Address> {
        if self.life != Life::Alive {
            return Vec::new();
        }
        let fallback = self.fallback.as_ref().filter(|_| !self.complete());
        let old: Vec<Address> = fallback.map_or_else(Vec::new, |f| self.ready(f).collect());
        if old.is_empty() {
            self.ready(&self.current).collect()
        } else {
            old
        }
    }

    /// Replicas of the current revision that are ready.
    pub(super) fn available(&self) -> u32 {
        u32::try_from(self.ready(&self.current).count()).unwrap_or(u32::MAX)
    }

    /// Notes where a replica is in its life. One that leaves does not come back.
    pub(super) fn mark(&mut self, key: u64, phase: Phase, process: Option<u64>) {
        if let Some(replica) = self.replicas.iter_mut().find(|r| r.key == key) {
            replica.process = process;
            if replica.phase != Phase::Leaving {
                replica.phase = phase;
            }
        }
    }

    /// Marks a replica as leaving; its process is still there.
    pub(super) fn leave(&mut self, key: u64) {
        if let Some(replica) = self.replicas.iter_mut().find(|r| r.key == key) {
            replica.phase = Phase::Leaving;
        }
    }

    /// What is kept on disk.
    pub(super) fn stored(&self) -> Stored {
        Stored {
            deployment: self.current.deployment.clone(),
            fallback: self.fallback.as_ref().map(|f| f.deployment.clone()),
            replicas: self.wanted,
            created_at: self.created_at.clone(),
        }
    }

    /// Secrets that a replica may name, those of the fallback included.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let revisions = [Some(&self.current), self.fallback.as_ref()];
        let revisions = revisions.into_iter().flatten();
        revisions.flat_map(|r| r.deployment.secrets.iter().map(String::as_str))
    }

    fn staying(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|r| r.phase != Phase::Leaving)
    }

    fn ready(&self, revision: &Arc<Revision>) -> impl Iterator<Item = Address> {
        let number = revision.number;
        self.replicas.iter().filter_map(move |r| match &r.phase {
            Phase::Ready(address) if r.revision == number => Some(address.clone()),
            _ => None,
        })
    }

    /// Whether the current revision serves as wanted.
    fn complete(&self) -> bool {
        self.ready(&self.current).count() >= self.wanted as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawner::Abilities;

    fn revision(number: u64) -> Arc<Revision> {
        let deployment = Deployment {
            env_process: "cat".into(),
            ..Deployment::default()
        };
        let recipe = Recipe::parse(&deployment, &Abilities::default()).unwrap();
        Arc::new(Revision {
            number,
            deployment,
            recipe,
        })
    }

    fn address(key: u64) -> Address {
        Address::Unix(format!("/{key}").into())
    }

    /// Applies plans until there is nothing to do; new replicas stay `Starting`.
    fn settle(state: &mut State) {
        for _ in 0..10 {
            let plan = state.plan();
            for revision in plan.start {
                let key = state.replicas.iter().map(|r| r.key).max().unwrap_or(0) + 1;
                let revision = revision.number;
                let phase = Phase::Starting;
                state.replicas.push(Replica {
                    key,
                    revision,
                    phase,
                    process: None,
                });
            }
            for key in plan.leave {
                state.leave(key);
            }
            if plan.settled {
                state.fallback = None;
            }
        }
        let rest = state.plan();
        assert!(rest.start.is_empty() && rest.leave.is_empty() && !rest.settled);
    }

    fn ready(state: &mut State, key: u64) {
        state.mark(key, Phase::Ready(address(key)), Some(key));
        settle(state);
    }

    fn serving(wanted: u32) -> State {
        let mut state = State::new(revision(1), wanted, String::new());
        settle(&mut state);
        for key in 1..=u64::from(wanted) {
            ready(&mut state, key);
        }
        state
    }

    fn phases(state: &State) -> Vec<(u64, u64, char)> {
        let phase = |p: &Phase| match p {
            Phase::Starting => 's',
            Phase::Ready(_) => 'r',
            Phase::Leaving => 'l',
        };
        state
            .replicas
            .iter()
            .map(|r| (r.key, r.revision, phase(&r.phase)))
            .collect()
    }

    #[test]
    fn replicas_take_traffic_as_they_get_ready() {
        let mut state = State::new(revision(1), 2, String::new());
        settle(&mut state);
        assert_eq!(phases(&state), [(1, 1, 's'), (2, 1, 's')]);
        assert!(state.endpoints().is_empty());
        ready(&mut state, 2);
        assert_eq!(state.endpoints(), [address(2)]);
        assert_eq!(state.available(), 1);
    }

    #[test]
    fn scaling_down_spares_the_ready_and_the_old() {
        let mut state = serving(3);
        state.mark(1, Phase::Starting, None);
        state.wanted = 1;
        settle(&mut state);
        assert_eq!(phases(&state), [(1, 1, 'l'), (2, 1, 'r'), (3, 1, 'l')]);
        assert_eq!(state.endpoints(), [address(2)]);
        state.wanted = 0;
        settle(&mut state);
        assert!(state.endpoints().is_empty());
    }

    #[test]
    fn an_update_swaps_when_all_are_ready() {
        let mut state = serving(2);
        state.update(revision(2), 2);
        settle(&mut state);
        assert_eq!(state.endpoints(), [address(1), address(2)]);
        assert_eq!(state.available(), 0);
        ready(&mut state, 3);
        assert_eq!(state.endpoints(), [address(1), address(2)]);
        state.mark(4, Phase::Ready(address(4)), Some(4));
        assert_eq!(
            state.endpoints(),
            [address(3), address(4)],
            "swapped before the old leave"
        );
        settle(&mut state);
        assert_eq!(
            phases(&state),
            [(1, 1, 'l'), (2, 1, 'l'), (3, 2, 'r'), (4, 2, 'r')]
        );
        assert!(state.fallback.is_none());
    }

    #[test]
    fn a_bad_update_leaves_the_old_revision_serving_and_kept_up() {
        let mut state = serving(1);
        state.update(revision(2), 1);
        settle(&mut state);
        state.mark(1, Phase::Starting, None);
        settle(&mut state);
        assert_eq!(phases(&state), [(1, 1, 's'), (2, 2, 's')]);
        ready(&mut state, 1);
        assert_eq!(state.endpoints(), [address(1)]);
        assert!(state.stored().fallback.is_some());
        // The next update keeps the revision that works, and drops the one that never did.
        state.update(revision(3), 1);
        settle(&mut state);
        assert_eq!(phases(&state), [(1, 1, 'r'), (2, 2, 'l'), (3, 3, 's')]);
        ready(&mut state, 3);
        assert_eq!(state.endpoints(), [address(3)]);
        assert_eq!(phases(&state)[0], (1, 1, 'l'));
    }

    #[test]
    fn a_first_revision_that_never_worked_is_not_kept() {
        let mut state = State::new(revision(1), 1, String::new());
        settle(&mut state);
        state.update(revision(2), 1);
        assert!(state.fallback.is_none());
        settle(&mut state);
        assert_eq!(phases(&state), [(1, 1, 'l'), (2, 2, 's')]);
    }

    #[test]
    fn a_crash_takes_the_endpoint_away_and_keeps_the_replica() {
        let mut state = serving(2);
        state.mark(1, Phase::Starting, None);
        assert_eq!(state.endpoints(), [address(2)]);
        settle(&mut state);
        assert_eq!(state.replicas.len(), 2);
    }

    #[test]
    fn scaling_to_zero_in_the_middle_of_an_update_ends_it() {
        let mut state = serving(2);
        state.update(revision(2), 2);
        settle(&mut state);
        state.wanted = 0;
        settle(&mut state);
        assert!(state.fallback.is_none() && state.endpoints().is_empty());
        assert!(state.replicas.iter().all(|r| r.phase == Phase::Leaving));
    }

    #[test]
    fn the_deleted_and_the_stopping_leave() {
        for life in [Life::Stopping, Life::Deleted] {
            let mut state = serving(2);
            state.life = life;
            assert!(state.endpoints().is_empty());
            settle(&mut state);
            assert!(state.replicas.iter().all(|r| r.phase == Phase::Leaving));
            // A replica that reports late does not come back.
            state.mark(1, Phase::Ready(address(1)), Some(1));
            assert_eq!(state.replicas[0].phase, Phase::Leaving);
        }
    }
}
