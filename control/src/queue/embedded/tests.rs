//! The queue over a real file, without a worker.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::Embedded;
use super::schema::PART_BYTES;
use crate::queue::attempt::{Ended, Kept, Verdict};
use crate::queue::callback::Turns;
use crate::queue::front::{Cancelled, Filter, Pieces, Queue, Which};
use crate::queue::job::{Call, Delivery, JobId, Millis, State};
use crate::queue::letter::{DeliveryEnd, Letter};
use crate::queue::{Limits, QueueError};

struct Bench {
    folder: TempDir,
    queue: Embedded,
}

fn limits() -> Limits {
    Limits {
        body_bytes_max: 4 * PART_BYTES as u64,
        keep: Duration::from_secs(3_600),
        keep_max: 1_000,
        ..Limits::default()
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::open(folder.path(), limits()).unwrap();
        Self { folder, queue }
    }

    /// What a crash leaves: nobody is told.
    async fn reopened(self) -> Self {
        let Self { folder, queue } = self;
        drop(queue);
        for _ in 0..500 {
            // The lock goes with the last task that holds the queue.
            if let Ok(queue) = Embedded::open(folder.path(), limits()) {
                return Self { folder, queue };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the queue is not let go of");
    }

    async fn put(&self, function: &str, body: &[u8]) -> JobId {
        let call = call(function);
        let id = call.id;
        self.queue.enqueue(call, pieces(body)).await.unwrap();
        id
    }

    /// Claims the next call, asking the file when needed.
    async fn claim(&self) -> Option<super::Claim> {
        for _ in 0..3 {
            if let Some(claim) = self.queue.claim(100, |_| 100) {
                return Some(claim);
            }
            self.queue.refill().await;
        }
        None
    }

    async fn letters(&self) -> (Vec<Letter>, Option<Millis>) {
        let found = self.queue.letters(Turns::default(), None).await.unwrap();
        (found.letters, found.next)
    }

    async fn run(&self, verdict: Verdict, kept: Option<(Kept, i64)>) {
        let claim = self.claim().await.unwrap();
        assert!(claim.load().await.unwrap().is_some());
        claim.settle(ended(), verdict, kept).await.unwrap();
    }

    async fn state(&self, id: JobId) -> Option<State> {
        self.queue.job(id).await.unwrap().map(|job| job.state)
    }
}

fn call(function: &str) -> Call {
    Call {
        id: JobId::random().unwrap(),
        function: format!("{function}.ns"),
        name: function.into(),
        call_id: "call".into(),
        target: "/a%2Fb?c=d".into(),
        headers: b"x-a: 1\r\n".into(),
        callback: None,
        store: true,
        queued_at: Millis::now(),
    }
}

fn pieces(body: &[u8]) -> Pieces {
    let pieces: Vec<_> = body
        .chunks(70_000)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    Box::pin(stream::iter(pieces))
}

fn ended() -> Ended {
    Ended {
        status: Some(500),
        error: None,
        started_at: Millis::now(),
        took: Duration::from_millis(5),
    }
}

async fn whole(pieces: Pieces) -> Vec<u8> {
    let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test]
async fn what_was_taken_in_comes_out_as_it_was_even_after_a_crash() {
    let bench = Bench::new();
    let body: Vec<u8> = (0..PART_BYTES * 2 + 77).map(|i| (i % 251) as u8).collect();
    for size in [0, 1, PART_BYTES, PART_BYTES + 1, PART_BYTES * 2, body.len()] {
        bench.put("cat", &body[..size]).await;
    }
    let _interrupted = bench.claim().await.unwrap();
    drop(_interrupted);
    let bench = bench.reopened().await;
    let mut sizes = Vec::new();
    while let Some(claim) = bench.claim().await {
        let (work, pieces) = claim.load().await.unwrap().unwrap();
        assert_eq!(work.call.target, "/a%2Fb?c=d");
        let got = whole(pieces).await;
        assert!(got == body[..got.len()] && got.len() as u64 == work.body_bytes);
        sizes.push(got.len());
        claim.settle(ended(), Verdict::Done, None).await.unwrap();
    }
    assert_eq!(sizes.len(), 6);
    assert_eq!(bench.queue.depths().functions, []);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_does_not_end_leaves_nothing() {
    let bench = Bench::new();
    let large = vec![1; PART_BYTES * 4 + 1];
    let error = bench.queue.enqueue(call("cat"), pieces(&large)).await;
    assert!(matches!(error, Err(QueueError::TooLarge(_))));
    let broken = pieces(&large[..PART_BYTES * 2]).chain(stream::iter([Err(
        std::io::ErrorKind::UnexpectedEof.into(),
    )]));
    let error = bench.queue.enqueue(call("cat"), Box::pin(broken)).await;
    assert!(matches!(error, Err(QueueError::Incomplete)));
    for _ in 0..500 {
        let count = |c: &rusqlite::Connection| {
            c.query_row("SELECT count(*) FROM parts", [], |r| r.get::<_, i64>(0))
        };
        if bench.queue.shared.readers.ask(count).await.unwrap() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("parts are left");
}

#[tokio::test]
async fn a_failed_call_waits_until_it_is_due() {
    let bench = Bench::new();
    let id = bench.put("cat", b"x").await;
    let due = Millis::now().after(Duration::from_millis(150));
    bench.run(Verdict::Again { due, counted: true }, None).await;
    assert_eq!(bench.state(id).await, Some(State::Waiting));
    assert!(bench.claim().await.is_none());
    tokio::time::sleep(Millis::now().until(due) + Duration::from_millis(5)).await;
    let claim = bench.claim().await.unwrap();
    assert_eq!(bench.state(id).await, Some(State::Running));
    let (work, body) = claim.load().await.unwrap().unwrap();
    assert_eq!((work.attempts, whole(body).await), (1, b"x".to_vec()));
    claim.settle(ended(), Verdict::Done, None).await.unwrap();
    assert_eq!(bench.state(id).await, Some(State::Done));
}

#[tokio::test]
async fn a_cancelled_call_is_never_run() {
    let bench = Bench::new();
    let queued = bench.put("cat", b"x").await;
    let running = bench.put("cat", b"x").await;
    assert_eq!(bench.queue.cancel(queued).await.unwrap(), Cancelled::Done);
    // It is known to the lane, and found to be cancelled.
    let claim = bench.claim().await.unwrap();
    assert!(claim.load().await.unwrap().is_none());
    drop(claim);
    let mut claim = bench.claim().await.unwrap();
    assert!(claim.load().await.unwrap().is_some());
    assert_eq!(bench.queue.cancel(running).await.unwrap(), Cancelled::Done);
    assert!(claim.cut.try_recv().is_ok());
    claim.settle(ended(), Verdict::Done, None).await.unwrap();
    assert_eq!(bench.state(running).await, Some(State::Cancelled));
    let again = bench.queue.cancel(running).await.unwrap();
    assert_eq!(again, Cancelled::TooLate(State::Cancelled));
    let nobody = JobId::random().unwrap();
    assert_eq!(
        bench.queue.cancel(nobody).await.unwrap(),
        Cancelled::Unknown
    );
    assert!(bench.claim().await.is_none());
    assert_eq!(bench.queue.depths().functions, []);
}

#[tokio::test]
async fn a_call_that_runs_is_not_claimed_again_whatever_the_lane_says() {
    let bench = Bench::new();
    bench.put("cat", b"x").await;
    let mut first = bench.claim().await.unwrap();
    let picked = super::schedule::Picked {
        seq: 1,
        function: "cat.ns".into(),
    };
    {
        // As if the lane had it twice.
        let mut schedule = bench.queue.shared.schedule.lock();
        schedule.ended(&picked, super::schedule::Left::Untouched);
        schedule.arrived("cat.ns", 1);
    }
    assert!(bench.claim().await.is_none());
    let empty = first.cut.try_recv();
    assert_eq!(empty, Err(tokio::sync::oneshot::error::TryRecvError::Empty));
    first.settle(ended(), Verdict::Done, None).await.unwrap();
}

#[tokio::test]
async fn dead_calls_are_kept_until_they_are_replayed_or_purged() {
    let bench = Bench::new();
    let ids = [bench.put("a", b"body").await, bench.put("b", b"body").await];
    for _ in ids {
        bench.run(Verdict::Dead, None).await;
    }
    let bench = bench.reopened().await;
    assert_eq!(bench.queue.depths().dead, 2);
    let of_a = Which::All(Some("a.ns".into()));
    assert_eq!(bench.queue.replay(of_a).await.unwrap(), 1);
    let claim = bench.claim().await.unwrap();
    let (work, body) = claim.load().await.unwrap().unwrap();
    assert_eq!((work.call.id, work.attempts), (ids[0], 0));
    assert_eq!(whole(body).await, b"body");
    drop(claim);
    assert_eq!(bench.queue.replay(Which::One(ids[0])).await.unwrap(), 0);
    assert_eq!(bench.queue.purge(Which::All(None)).await.unwrap(), 1);
    assert_eq!(bench.state(ids[1]).await, None);
    assert_eq!(bench.queue.depths().dead, 0);
}

#[tokio::test]
async fn lists_are_pages_by_state_and_function() {
    let bench = Bench::new();
    for i in 0..25 {
        bench.put(["a", "b"][i % 2], b"").await;
    }
    bench.run(Verdict::Dead, None).await;
    bench.run(Verdict::Done, None).await;
    for (state, function, count) in [
        (None, None, 25),
        (Some(State::Queued), None, 23),
        (Some(State::Dead), None, 1),
        (None, Some("b.ns"), 12),
        (Some(State::Queued), Some("a.ns"), 12),
        (Some(State::Running), None, 0),
    ] {
        let mut filter = Filter {
            state,
            function: function.map(str::to_owned),
            after: None,
            limit: 10,
        };
        let mut seen = std::collections::HashSet::new();
        loop {
            let page = bench.queue.list(filter.clone()).await.unwrap();
            assert!(page.jobs.iter().all(|job| seen.insert(job.id)));
            filter.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), count, "{state:?} {function:?}");
    }
}

#[tokio::test]
async fn replies_are_kept_delivered_and_forgotten() {
    let bench = Bench::new();
    let mut asked = call("cat");
    (asked.callback, asked.store) = (Some("http://a/".into()), false);
    let id = asked.id;
    bench.queue.enqueue(asked, pieces(b"")).await.unwrap();
    let kept = Kept {
        status: 200,
        headers: b"x: 1\r\n".into(),
        bytes: 5,
        cut: false,
        tail: b"hello".into(),
    };
    bench.run(Verdict::Done, Some((kept, 0))).await;
    let bench = bench.reopened().await;
    assert_eq!(bench.queue.depths().callbacks, 1);
    let (letters, next) = bench.letters().await;
    assert_eq!((letters.len(), next), (1, None));
    let letter = &letters[0];
    assert_eq!(
        whole(bench.queue.letter_body(letter.origin(), letter.bytes)).await,
        b"hello"
    );
    let end = |delivery, due| DeliveryEnd {
        delivery,
        due,
        status: None,
        error: None,
    };
    let later = Millis::now().after(Duration::from_secs(60));
    let again = end(Delivery::Pending, later);
    bench.queue.delivered(letter.origin(), again).await.unwrap();
    let (none, next) = bench.letters().await;
    assert_eq!((none.len(), next), (0, Some(later)));
    let over = end(Delivery::Delivered, later);
    bench.queue.delivered(letter.origin(), over).await.unwrap();
    let job = bench.queue.job(id).await.unwrap().unwrap();
    assert_eq!(job.callback.unwrap().attempts, 2);
    assert!(bench.queue.reply(id).await.unwrap().is_none());
    assert_eq!(bench.queue.depths().callbacks, 0);
}

/// A call that failed for the last time, and whose reply is to be delivered.
async fn dead_with_letter(bench: &Bench, reply: &[u8]) -> (JobId, Letter) {
    let mut asked = call("cat");
    asked.callback = Some("http://a/".into());
    let id = asked.id;
    bench.queue.enqueue(asked, pieces(b"")).await.unwrap();
    bench.run(Verdict::Dead, Some((kept(503, reply), 0))).await;
    let (mut letters, _) = bench.letters().await;
    (id, letters.remove(0))
}

fn kept(status: u16, reply: &[u8]) -> Kept {
    Kept {
        status,
        headers: b"x: 1\r\n".into(),
        bytes: reply.len() as u64,
        cut: false,
        tail: reply.into(),
    }
}

#[tokio::test]
async fn a_delivery_is_of_one_end_of_a_call() {
    let bench = Bench::new();
    let (id, old) = dead_with_letter(&bench, b"broken").await;
    assert_eq!(bench.queue.replay(Which::One(id)).await.unwrap(), 1);
    assert_eq!(bench.queue.depths().callbacks, 0);
    let body = || bench.queue.letter_body(old.origin(), old.bytes);
    let mut broken = body();
    assert!(broken.next().await.unwrap().is_err(), "its reply is gone");
    let end = |delivery| DeliveryEnd {
        delivery,
        due: Millis::now(),
        status: None,
        error: None,
    };
    // The old delivery fails and would be tried again: there is nothing to try.
    let again = end(Delivery::Pending);
    bench.queue.delivered(old.origin(), again).await.unwrap();
    assert_eq!(bench.letters().await, (Vec::new(), None));
    tokio::time::sleep(Duration::from_millis(2)).await;
    bench
        .run(Verdict::Done, Some((kept(200, b"well"), 0)))
        .await;
    // Neither does it read the new reply, nor is its end that of the new one.
    assert!(body().next().await.unwrap().is_err());
    let taken = end(Delivery::Delivered);
    bench
        .queue
        .delivered(old.origin(), taken.clone())
        .await
        .unwrap();
    let callback = bench
        .queue
        .job(id)
        .await
        .unwrap()
        .unwrap()
        .callback
        .unwrap();
    assert_eq!(
        (callback.delivery, callback.attempts),
        (Some(Delivery::Pending), 0)
    );
    assert_eq!(bench.queue.depths().callbacks, 1);
    let (letters, _) = bench.letters().await;
    let new = &letters[0];
    let body = bench.queue.letter_body(new.origin(), new.bytes);
    assert_eq!((letters.len(), whole(body).await), (1, b"well".to_vec()));
    bench.queue.delivered(new.origin(), taken).await.unwrap();
    assert_eq!(bench.queue.depths().callbacks, 0);
}

#[tokio::test]
async fn a_receiver_without_turns_does_not_hide_those_behind_it() {
    let bench = Bench::new();
    let mut put = Vec::new();
    for n in 0..2_501 {
        let mut asked = call(&format!("f{n}"));
        let url = if n < 2_500 {
            "http://slow/"
        } else {
            "http://quick/"
        };
        asked.callback = Some(url.into());
        put.push(bench.queue.enqueue(asked, pieces(b"")));
    }
    futures_util::future::try_join_all(put).await.unwrap();
    // As if all had ended, in order.
    let end = |to: &rusqlite::Connection| {
        let all = "UPDATE calls SET state = 3, started_at = queued_at, took_micros = 0, \
             callback_state = 1, callback_due = (callback = 'http://quick/')";
        to.execute(all, [])
    };
    bench.queue.shared.writer.write(end, |_| {}).await.unwrap();
    let (mut turns, mut from, mut urls) = (Turns::default(), None, Vec::new());
    for look in 0.. {
        let found = bench.queue.letters(turns.clone(), from).await.unwrap();
        for letter in found.letters {
            assert!(turns.take(letter.seq, &letter.url, &letter.function));
            urls.push(letter.url);
        }
        from = found.from;
        if from.is_none() {
            assert_eq!(look, 1);
            break;
        }
    }
    assert_eq!(urls.iter().filter(|url| *url == "http://slow/").count(), 16);
    assert_eq!(urls.last().unwrap(), "http://quick/");
}

#[tokio::test]
async fn what_was_kept_of_dead_calls_is_counted_out_with_them() {
    let bench = Bench::new();
    let counts = || {
        let kept = &bench.queue.shared.counters.kept_bytes;
        let kept = kept.load(std::sync::atomic::Ordering::Relaxed);
        (bench.queue.depths().callbacks, kept)
    };
    let (first, _) = dead_with_letter(&bench, b"broken").await;
    assert_eq!(counts(), (1, 6));
    assert_eq!(bench.queue.purge(Which::One(first)).await.unwrap(), 1);
    assert_eq!(counts(), (0, 0));
    dead_with_letter(&bench, b"worse").await;
    assert_eq!(counts(), (1, 5));
    assert_eq!(bench.queue.replay(Which::All(None)).await.unwrap(), 1);
    assert_eq!(counts(), (0, 0));
}

#[tokio::test]
async fn a_disk_that_is_short_gets_back_what_is_not_needed() {
    let bench = Bench::new();
    let size = |name: &str| bench.folder.path().join(name).metadata().unwrap().len();
    let id = bench.put("cat", &vec![1; PART_BYTES * 4]).await;
    bench.queue.make_room().await.unwrap();
    assert_eq!(size("calls.db-wal"), 0);
    assert!(size("calls.db") > 1_000_000);
    bench.queue.cancel(id).await.unwrap();
    bench.queue.make_room().await.unwrap();
    assert_eq!(size("calls.db-wal"), 0);
    assert!(size("calls.db") < 200_000, "{}", size("calls.db"));
}

#[tokio::test]
async fn a_folder_is_one_gateways() {
    let bench = Bench::new();
    let error = Embedded::open(bench.folder.path(), limits()).err().unwrap();
    assert!(error.contains("another gateway"), "{error}");
    let error = Embedded::open("/dev/null/x".as_ref(), limits())
        .err()
        .unwrap();
    assert!(error.contains("/dev/null/x"), "{error}");
}
