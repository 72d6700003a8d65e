//! The control plane of the simulated world: replicas come and go, tables move.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::function;
use super::io::place;
use super::ledger::Books;
use super::rt::sleep;
use super::world::world;
use crate::demand::Demand;
use crate::name::Name;
use crate::table::{Address, Change, Forward, FunctionId, FunctionSpec, Publisher, Settings};

/// Who was asked for, by the gateway.
#[derive(Default)]
pub(super) struct Wanted(Mutex<Vec<FunctionId>>);

impl Demand for Wanted {
    fn wanted(&self, function: &FunctionId) {
        self.0.lock().push(function.clone());
    }
}

/// All replicas.
pub(super) struct Fleet {
    publisher: Publisher,
    wanted: Arc<Wanted>,
    books: Books,
    /// Endpoints by function's number.
    rows: RefCell<BTreeMap<u64, Vec<Address>>>,
    functions: u64,
    ports: RefCell<u16>,
}

impl Fleet {
    pub(super) fn start(
        functions: u64,
        publisher: Publisher,
        wanted: Arc<Wanted>,
        books: Books,
    ) -> Rc<Self> {
        let fleet = Rc::new(Self {
            publisher,
            wanted,
            books,
            rows: RefCell::default(),
            functions,
            ports: RefCell::new(1),
        });
        for function in 0..functions {
            let count = world().below(3);
            let row = (0..count).map(|_| fleet.replica()).collect();
            fleet.put(function, row);
        }
        fleet
    }

    /// A replica that is ready.
    fn replica(&self) -> Address {
        let mut port = self.ports.borrow_mut();
        *port += 1;
        let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 2], *port)));
        function::start(place(&address), Rc::clone(&self.books));
        address
    }

    fn put(&self, function: u64, endpoints: Vec<Address>) {
        world().tell(|| format!("f{function} is at {endpoints:?}"));
        self.publisher.publish([Change::Put(FunctionSpec {
            id: id(function),
            bare_alias: true,
            authority: "f".into(),
            forward: Forward::Trimmed,
            endpoints: endpoints.clone(),
            settings: Settings::default(),
        })]);
        self.rows.borrow_mut().insert(function, endpoints);
        world().rung.set(true);
    }

    /// Moves tables until the last client is done.
    pub(super) async fn run(self: Rc<Self>) {
        while self.books.clients.get() > 0 {
            sleep(Duration::from_micros(world().below(200_000))).await;
            let wanted = std::mem::take(&mut *self.wanted.0.lock());
            for function in wanted {
                let number = function.name.as_str()[1..].parse().unwrap_or(0);
                self.add(number);
            }
            let function = world().below(self.functions);
            match world().below(6) {
                0 => self.add(function),
                1 => self.remove(function, 1),
                2 => self.remove(function, usize::MAX),
                // The same row again.
                3 => {
                    let row = self.rows.borrow()[&function].clone();
                    self.put(function, row);
                }
                _ => {}
            }
        }
    }

    fn add(&self, function: u64) {
        let mut row = self.rows.borrow()[&function].clone();
        row.push(self.replica());
        self.put(function, row);
    }

    /// Takes replicas out of the table, and then closes them.
    fn remove(&self, function: u64, most: usize) {
        let mut row = self.rows.borrow()[&function].clone();
        let gone = row.split_off(row.len() - row.len().min(most));
        self.put(function, row);
        for address in gone {
            let after = world().below(300_000);
            world().at(after, Box::new(move || function::stop(&place(&address))));
        }
    }
}

fn id(function: u64) -> FunctionId {
    let name = |text: &str| Name::parse(text).expect("a valid name");
    FunctionId {
        name: name(&format!("f{function}")),
        namespace: name("ns"),
    }
}
