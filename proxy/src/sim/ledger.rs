//! What every call was, what functions saw of it and what its client got: the checkers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A call as its client made it, and what became of it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) body: usize,
    /// How often a function has read its head.
    pub(super) taken: u32,
    /// A function treated it badly, or its client did.
    pub(super) excused: bool,
    pub(super) ended: bool,
    /// Its connection to the function had carried bytes before that nobody asked for: they were
    /// taken for a reply, and its own may go to whoever uses the connection next.
    pub(super) displaced: bool,
}

/// The books of one run.
#[derive(Default)]
pub(super) struct Ledger {
    calls: RefCell<Vec<Call>>,
    wrong: RefCell<Vec<String>>,
    /// Clients that have not finished.
    pub(super) clients: Cell<usize>,
    /// The gateway drains: connections may end between calls.
    pub(super) draining: Cell<bool>,
    pub(super) weather: Cell<Weather>,
}

/// How much goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Weather {
    /// Tables move, replicas come and go in order: every call is answered by its function.
    #[default]
    Calm,
    /// Functions end idle connections at any moment as well: only calls that may be sent again
    /// are all answered.
    Flaky,
    /// Functions and clients misbehave: calls may fail, but not silently, and not for others.
    Storm,
}

pub(super) type Books = Rc<Ledger>;

/// The two bodies of a call.
#[derive(Clone, Copy)]
pub(super) enum Half {
    Request,
    Reply,
}

/// The body of call `id`, which no other call has.
pub(super) fn body(id: usize, half: Half, bytes: usize) -> Vec<u8> {
    let salt = match half {
        Half::Request => 0x51,
        Half::Reply => 0xa7,
    };
    let byte = |i: usize| {
        let mixed = (id.wrapping_mul(2_654_435_761) ^ i.wrapping_mul(40_503)).wrapping_add(salt);
        (mixed ^ (mixed >> 11)).to_le_bytes()[0]
    };
    (0..bytes).map(byte).collect()
}

impl Ledger {
    /// Books a new call.
    pub(super) fn begin(&self, method: &'static str, body: usize) -> usize {
        let mut calls = self.calls.borrow_mut();
        calls.push(Call {
            method,
            body,
            taken: 0,
            excused: false,
            ended: false,
            displaced: false,
        });
        calls.len() - 1
    }

    pub(super) fn wrong(&self, what: String) {
        self.wrong.borrow_mut().push(what);
    }

    pub(super) fn excuse(&self, id: usize) {
        if let Some(call) = self.calls.borrow_mut().get_mut(id) {
            call.excused = true;
        }
    }

    pub(super) fn displace(&self, id: usize) {
        if let Some(call) = self.calls.borrow_mut().get_mut(id) {
            call.displaced = true;
        }
    }

    fn is_displaced(&self, id: usize) -> bool {
        self.calls
            .borrow()
            .get(id)
            .is_some_and(|call| call.displaced)
    }

    pub(super) fn is_excused(&self, id: usize) -> bool {
        self.calls.borrow().get(id).is_some_and(|call| call.excused)
    }

    /// A function has read a call's head.
    pub(super) fn taken(&self, id: usize) {
        let mut calls = self.calls.borrow_mut();
        let Some(call) = calls.get_mut(id) else {
            drop(calls);
            return self.wrong(format!("a function saw call {id}, which nobody made"));
        };
        call.taken += 1;
        let (method, taken) = (call.method, call.taken);
        let most = if method == "POST" { 1 } else { 3 };
        if taken > most {
            drop(calls);
            self.wrong(format!("call {id}, a {method}, was taken {taken} times"));
        }
    }

    /// A function has read a call's body to its end.
    pub(super) fn read(&self, id: usize, bytes: &[u8]) {
        let expected = self.calls.borrow().get(id).map_or(0, |call| call.body);
        if bytes != body(id, Half::Request, expected) {
            let n = bytes.len();
            self.wrong(format!(
                "call {id}'s body came as {n} other bytes than {expected}"
            ));
        }
    }

    /// A client has a function's whole reply.
    pub(super) fn replied(&self, id: usize, named: usize, bytes: &[u8]) {
        if named != id && self.is_displaced(named) {
            return self.failed(
                id,
                "its connection's function sends more than it was asked for",
            );
        }
        if named != id {
            self.wrong(format!("call {id} got the reply of call {named}"));
        } else if bytes != body(id, Half::Reply, bytes.len()) {
            self.wrong(format!(
                "call {id} got a reply of {} wrong bytes",
                bytes.len()
            ));
        }
        self.end(id);
    }

    /// A client got something else than its function's whole reply.
    pub(super) fn failed(&self, id: usize, how: &str) {
        let call = format!("{:?}", self.calls.borrow()[id]);
        let excused = match self.weather.get() {
            Weather::Calm => false,
            Weather::Flaky => !matches!(self.calls.borrow()[id].method, "GET" | "HEAD"),
            Weather::Storm => true,
        };
        if !excused && !self.calls.borrow()[id].excused {
            self.wrong(format!("call {id} failed without a reason: {how}; {call}"));
        }
        self.end(id);
    }

    fn end(&self, id: usize) {
        let twice = std::mem::replace(&mut self.calls.borrow_mut()[id].ended, true);
        if twice {
            self.wrong(format!("call {id} ended twice"));
        }
    }

    /// Everything that is wrong, at the end of a run.
    pub(super) fn close(&self) -> Vec<String> {
        for (id, call) in self.calls.borrow().iter().enumerate() {
            if !call.ended {
                self.wrong
                    .borrow_mut()
                    .push(format!("call {id} was lost: {call:?}"));
            }
        }
        self.wrong.take()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.borrow().len()
    }
}
