//! One attempt at one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use tokio::sync::oneshot;
use tokio::time;

use super::line::Unanswered;
use super::reply::{Keep, read};
use super::request::request;
use super::run::Worker;
use crate::publish::UNKNOWN;
use crate::queue::QueueError;
use crate::queue::attempt::{Ended, Kept, Verdict, Work};
use crate::queue::backend::Claim;
use crate::queue::front::Pieces;
use crate::queue::headers;
use crate::queue::job::Millis;
use crate::queue::policy::{Moment, Replied, RetryPolicy, retry_after};

/// What came of sending a request.
struct Came {
    verdict: Verdict,
    status: Option<u16>,
    error: Option<String>,
    kept: Option<(Kept, i64)>,
    crowded: bool,
    internal: bool,
}

impl Worker {
    /// Runs a claimed call once, and settles it.
    pub(super) async fn attempt(self: Arc<Self>, mut claim: Claim) {
        let loaded = claim.load().await;
        let (work, body) = match loaded {
            Ok(Some(loaded)) => loaded,
            // Cancelled, or not due after all.
            Ok(None) => return,
            Err(error) => return unreadable(claim, &error).await,
        };
        let policy = self.policy(&claim);
        let (known, limit) = (self.is_known(&claim), self.limit_of(&claim));
        let (started_at, began) = (Millis::now(), Instant::now());
        let (_, never) = oneshot::channel();
        let cut = std::mem::replace(claim.cut(), never);
        let longest = self.rules.timeout;
        let came = tokio::select! {
            () = cancelled(cut) => {
                tracing::info!(
                    job_id = %work.call.id, call_id = work.call.call_id,
                    function = work.call.function, "a running call was cancelled"
                );
                return;
            }
            came = time::timeout(longest, self.exchange(&mut claim, &work, body, &policy)) => {
                came.unwrap_or_else(|_| Ok(failed(
                    format!("it took longer than {} s", longest.as_secs_f64()),
                    &work,
                    &policy,
                )))
            }
        };
        let came = match came {
            Ok(came) => came,
            // The function was not called: this was no attempt.
            Err(away) => {
                self.miss_gateway(&away);
                return claim.give_back().await;
            }
        };
        // A gateway that ends answers for no function: this was no attempt, and the call is
        // there at the next start.
        if self.is_stopping() && (came.status.is_none() || came.internal) {
            return;
        }
        let ended = Ended {
            status: came.status,
            error: came.error,
            started_at,
            took: began.elapsed(),
        };
        self.queue.adapt(&work.call.function, came.crowded, limit);
        self.note(&work, known, &ended, came.verdict);
        if let Err(error) = claim.settle(ended, came.verdict, came.kept).await {
            tracing::error!(%error, job_id = %work.call.id, "a call's end could not be written");
        }
    }

    /// Makes the call; the error says why the gateway could not be connected to.
    async fn exchange(
        &self,
        claim: &mut Claim,
        work: &Work,
        body: Pieces,
        policy: &RetryPolicy,
    ) -> Result<Came, String> {
        let request = match request(work, body, self.gateway.authority()) {
            Ok(request) => request,
            Err(error) => {
                return Ok(Came {
                    verdict: Verdict::Dead,
                    ..failed(error, work, policy)
                });
            }
        };
        let (response, line) = match self.gateway.send(request).await {
            Ok(came) => came,
            Err(Unanswered::Away(error)) => return Err(error),
            Err(Unanswered::Failed(error)) => return Ok(failed(error, work, policy)),
        };
        let (head, body) = response.into_parts();
        let replied = replied(head.status.as_u16(), &head.headers);
        let verdict = policy.judge(Some(replied), work.attempts, moment());
        let again = matches!(verdict, Verdict::Again { .. });
        let keep = match (again, work.call.store || work.call.callback.is_some()) {
            (true, _) => Keep::Glance,
            (false, true) => Keep::First(claim.reply_bytes_max(self.rules.reply_bytes_max)),
            (false, false) => Keep::Nothing,
        };
        let read = match read(body, keep, claim).await {
            Ok(read) => read,
            Err(error) => return Ok(failed(error, work, policy)),
        };
        if read.whole {
            self.gateway.done(line).await;
        }
        let mut kept = read.kept;
        if let Some((kept, _)) = &mut kept {
            kept.status = replied.status;
            kept.headers = headers::lines(&head.headers);
        }
        Ok(Came {
            verdict,
            status: Some(replied.status),
            error: None,
            kept,
            crowded: replied.status == 429,
            internal: replied.internal,
        })
    }

    /// Counts an attempt, and writes it to the log.
    fn note(&self, work: &Work, is_known: bool, ended: &Ended, verdict: Verdict) {
        let function = &work.call.function;
        // Names that no function has share one series.
        let label = if is_known { function } else { UNKNOWN };
        self.tally.processed(label, ended.status, verdict);
        let (job_id, call_id) = (work.call.id, &work.call.call_id);
        let (attempt, status) = (work.attempts.saturating_add(1), ended.status);
        let error = ended.error.as_deref();
        match verdict {
            Verdict::Done => {
                tracing::debug!(%job_id, call_id, function, attempt, status, "a call is done");
            }
            Verdict::Again { due, .. } => {
                let wait = Millis::now().until(due).as_secs_f64();
                tracing::info!(
                    %job_id, call_id, function, attempt, status, error, wait,
                    "a call failed and is run again"
                );
            }
            Verdict::Dead => tracing::warn!(
                %job_id, call_id, function, attempt, status, error,
                "a call failed for the last time and is kept with the dead letters"
            ),
        }
    }
}

/// Resolves when somebody says that the call is cancelled; that nobody can say so any more is no
/// cancellation.
async fn cancelled(cut: oneshot::Receiver<()>) {
    if cut.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The disk may be back soon; until then nothing is lost.
async fn unreadable(claim: Claim, error: &QueueError) {
    tracing::error!(%error, function = claim.function(), "a queued call cannot be read");
    time::sleep(UNREADABLE_PAUSE).await;
    drop(claim);
}

fn failed(error: String, work: &Work, policy: &RetryPolicy) -> Came {
    Came {
        verdict: policy.judge(None, work.attempts, moment()),
        status: None,
        error: Some(error),
        kept: None,
        crowded: false,
        internal: false,
    }
}

fn moment() -> Moment {
    let mut random = [0; 4];
    // Without chance calls come back together, and that is all.
    let _ = getrandom::fill(&mut random);
    Moment {
        now: Millis::now(),
        chance: f64::from(u32::from_le_bytes(random)) / (f64::from(u32::MAX) + 1.0),
    }
}

fn replied(status: u16, headers: &HeaderMap) -> Replied {
    let after = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    Replied {
        status,
        internal: headers.contains_key("x-openfaas-internal"),
        retry_after: after.and_then(|text| retry_after(text, Millis::now())),
    }
}

const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_word_cancels_a_call() {
        let (cut, cuts) = oneshot::channel();
        cut.send(()).unwrap();
        cancelled(cuts).await;
        let (cut, cuts) = oneshot::channel();
        drop(cut);
        let silence = time::timeout(Duration::from_millis(20), cancelled(cuts)).await;
        assert!(silence.is_err(), "nobody said a word");
    }
}
