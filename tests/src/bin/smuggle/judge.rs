//! What the views of one input say together: agreement, a refusal, or a disagreement.

use crate::origin::{Sight, Sights};
use crate::reading::{self, Request};
use crate::wire::{Answer, End, View};

/// What became of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All requests were served, each with its own reply.
    Agreed,
    RefusedByRingway,
    /// By nginx or HAProxy.
    RefusedByPeer,
    /// The connection was closed without a word.
    Closed,
    /// Everybody waits for bytes that never come.
    Waiting,
    Disagreed(String),
}

/// What is expected of an origin: what it may see, and no more.
pub(crate) fn expected(bytes: &[u8]) -> Vec<Sight> {
    let requests = reading::requests(bytes);
    let sights = requests.into_iter().filter_map(|request: Request| {
        let (_, word) = crate::origin::parts(&request.target)?;
        let Request { method, body, .. } = request;
        Some(Sight { word, method, body })
    });
    sights.collect()
}

/// Judges requests. `expected` is what they are to whoever is in front: the strict reading of
/// their bytes, or what the front sent on when nobody was between it and the origin; `alone` is what
/// the client got then.
pub(crate) fn requests(
    id: &str,
    expected: &[Sight],
    seen: &Sights,
    view: &View,
    alone: Option<&View>,
) -> Verdict {
    let whole = &seen.whole;
    if let End::Garbage(bytes) = &view.end {
        // A reply of HTTP/0.9 or HTTP/2, which a front may speak.
        if alone.is_some_and(|alone| matches!(alone.end, End::Garbage(_))) {
            return Verdict::RefusedByPeer;
        }
        return Verdict::Disagreed(format!("the client got what is no reply: {bytes}"));
    }
    if let Some(why) = out_of_order(id, expected, seen, view) {
        return Verdict::Disagreed(why);
    }
    let allowed = |word: &String| word == "main" || expected.iter().any(|s| s.word == *word);
    if let Some(word) = seen.cut.iter().find(|word| !allowed(word)) {
        return Verdict::Disagreed(format!("the origin saw the beginning of {word}"));
    }
    if whole.len() == expected.len() && view.answers.len() == whole.len() && !whole.is_empty() {
        return match view.end {
            End::Silent => Verdict::Waiting,
            _ => Verdict::Agreed,
        };
    }
    match (view.answers.iter().find(|a| a.seen.is_none()), &view.end) {
        (Some(answer), _) if reading::find(&answer.body, b"<html>").is_some() => {
            Verdict::RefusedByPeer
        }
        (Some(_), _) => Verdict::RefusedByRingway,
        (None, End::Closed) => Verdict::Closed,
        (None, _) if whole.len() < expected.len() => {
            Verdict::Disagreed("no reply to a whole request".to_owned())
        }
        (None, _) => Verdict::Waiting,
    }
}

/// Why what the origin saw, what it may see, and what the client was told are not the same in the
/// same order; a reply that is not the origin's stands for one request that the origin did not see.
fn out_of_order(id: &str, expected: &[Sight], seen: &Sights, view: &View) -> Option<String> {
    let words = |sights: &[Sight]| -> Vec<String> {
        let named = sights.iter();
        named.map(|s| format!("{} {}", s.method, s.word)).collect()
    };
    let told = view.answers.iter().map(|a| a.seen.as_deref());
    let told: Vec<&str> = told.map(|seen| seen.unwrap_or("?")).collect();
    let (is, may) = (words(&seen.whole), words(expected));
    let why = format!("the origin saw {is:?}, may see {may:?}, the client was told {told:?}");
    let mut left = expected.iter();
    let mut seen = seen.whole.iter();
    let mut others = 0;
    for answer in &view.answers {
        let Some(mark) = &answer.seen else {
            others += 1;
            continue;
        };
        let Some(sight) = seen.next() else {
            return Some(why);
        };
        let skipped = left.position(|may| may == sight);
        if *mark != format!("{id}/{}", sight.word) || skipped.is_none_or(|n| n > others) {
            return Some(why);
        }
        others -= skipped.unwrap_or(0);
    }
    seen.next().map(|_| why)
}

/// Judges a hostile reply, to `word`, and the canary's behind it. `direct` is what a client
/// without a front got.
pub(crate) fn replies(id: &str, word: &str, view: &View, direct: Option<&View>) -> Verdict {
    if let End::Garbage(bytes) = &view.end {
        return Verdict::Disagreed(format!("the client got what is no reply: {bytes}"));
    }
    let mine = [format!("{id}/{word}"), format!("{id}/canary")];
    let told: Vec<&str> = view
        .answers
        .iter()
        .filter_map(|a| a.seen.as_deref())
        .collect();
    let in_order = told.iter().enumerate().all(|(at, seen)| match at {
        0 => mine.iter().any(|m| m == seen),
        _ => at == 1 && *seen == mine[1],
    });
    let canary_alone = told.first() == Some(&mine[1].as_str()) && view.answers.len() < 2;
    if !in_order || view.answers.len() > 2 || canary_alone {
        return Verdict::Disagreed(format!("the client was told {told:?}"));
    }
    let (own, theirs) = (view.answers.first(), direct.and_then(|d| d.answers.first()));
    if let (Some(own), Some(theirs)) = (own, theirs) {
        let same = own.body == theirs.body || !own.whole || !theirs.whole;
        if own.seen.is_some() && theirs.seen.is_some() && !same {
            let (own, theirs) = (own.body.escape_ascii(), theirs.body.escape_ascii());
            return Verdict::Disagreed(format!("the body is {own}, without a front {theirs}"));
        }
    }
    match own {
        Some(answer) if answer.seen.is_some() => Verdict::Agreed,
        Some(answer) if reading::find(&answer.body, b"<html>").is_some() => Verdict::RefusedByPeer,
        Some(_) => Verdict::RefusedByRingway,
        None if view.end == End::Closed => Verdict::Closed,
        None => Verdict::Waiting,
    }
}

/// Whether views made up to disagree are judged so: a judge that sleeps finds nothing.
pub(crate) fn is_awake() -> bool {
    let sight = |word: &str| Sight {
        word: word.to_owned(),
        method: "GET".to_owned(),
        body: Vec::new(),
    };
    let view = |words: &[&str]| View {
        answers: words
            .iter()
            .map(|word| Answer {
                seen: Some(format!("q1/{word}")),
                body: Vec::new(),
                whole: true,
            })
            .collect(),
        end: End::Closed,
    };
    let seen = |words: &[&str]| Sights {
        whole: words.iter().map(|word| sight(word)).collect(),
        cut: Vec::new(),
    };
    let expected = [sight("main"), sight("canary")];
    let judge = |saw: &[&str], told: &[&str]| {
        let verdict = requests("q1", &expected, &seen(saw), &view(told), None);
        matches!(verdict, Verdict::Disagreed(_))
    };
    !judge(&["main", "canary"], &["main", "canary"])
        && judge(&["main", "hidden", "canary"], &["main", "canary"])
        && judge(&["main", "hidden"], &["main", "hidden"])
        && judge(&["main", "canary"], &["canary", "main"])
        && judge(&["main", "canary"], &["main"])
        && judge(&["canary"], &["canary"])
        && matches!(
            replies("q1", "evil-0", &view(&["evil-0", "hidden"]), None),
            Verdict::Disagreed(_)
        )
        && matches!(
            replies("q1", "evil-0", &view(&["canary"]), None),
            Verdict::Disagreed(_)
        )
}
