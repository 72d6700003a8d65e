//! How far a takeover is, for all who must know: the thread that hands over, and the gateway that
//! may be asked to end meanwhile.

use tokio::sync::watch;

/// Shared by those who look and those who change it.
pub(crate) struct Progress(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    stage: Stage,
    /// This gateway was asked to end: nobody else may begin.
    ends: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no successor.
    Alone,
    /// A successor, a process of this number, starts.
    UnderWay(u32),
    /// A successor serves.
    Over,
}

impl Progress {
    /// Without a successor.
    pub(crate) fn new() -> Self {
        let state = State {
            stage: Stage::Alone,
            ends: false,
        };
        Self(watch::Sender::new(state))
    }

    /// A successor asks.
    ///
    /// # Errors
    /// Why it cannot have the place now, as a text for it.
    pub(super) fn begin(&self, pid: u32) -> Result<(), String> {
        let mut refused = None;
        self.0.send_if_modified(|state| {
            refused = state.refusal();
            if refused.is_none() {
                state.stage = Stage::UnderWay(pid);
            }
            refused.is_none()
        });
        refused.map_or(Ok(()), Err)
    }

    /// The successor failed, and everything is as before.
    pub(super) fn broke_off(&self) {
        self.0.send_modify(|state| state.stage = Stage::Alone);
    }

    /// The successor serves.
    pub(super) fn over(&self) {
        self.0.send_modify(|state| state.stage = Stage::Over);
    }

    /// This gateway ends: no takeover begins from here on. How far one is.
    pub(crate) fn end(&self) -> Stage {
        self.0.send_modify(|state| state.ends = true);
        self.stage()
    }

    /// How far it is.
    pub(crate) fn stage(&self) -> Stage {
        self.0.borrow().stage
    }

    /// Waits for a stage.
    pub(crate) async fn reached(&self, stage: Stage) {
        let mut changes = self.0.subscribe();
        // Fails when the sender is gone, and it is here.
        let _ = changes.wait_for(|state| state.stage == stage).await;
    }
}

impl State {
    fn refusal(self) -> Option<String> {
        match self.stage {
            Stage::UnderWay(pid) => Some(format!(
                "another takeover is under way (process {pid}); try again when it is done"
            )),
            Stage::Over => Some("another gateway has just taken over; try again".to_owned()),
            Stage::Alone if self.ends => {
                Some("it is ending; start without --takeover when it has".to_owned())
            }
            Stage::Alone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_successor_at_a_time_and_none_at_the_end() {
        let progress = Progress::new();
        progress.begin(7).unwrap();
        let refused = progress.begin(8).unwrap_err();
        assert!(refused.contains("under way (process 7)"), "{refused}");
        assert_eq!(progress.stage(), Stage::UnderWay(7));
        progress.broke_off();
        progress.begin(8).unwrap();
        assert_eq!(progress.end(), Stage::UnderWay(8));
        progress.broke_off();
        assert!(progress.begin(9).unwrap_err().contains("ending"));
        progress.over();
        assert!(progress.begin(9).unwrap_err().contains("try again"));
    }
}
