//! A queued call: what is called, and how it stands.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The name of a queued call: 128 bits nobody can guess, as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct JobId([u8; 16]);

/// What is called, as the client asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which job.
    pub id: JobId,
    /// `name.namespace`: what calls are counted, listed and shared out by.
    pub function: String,
    /// The name as in the client's path.
    pub name: String,
    /// The label the client or the gateway gave.
    pub call_id: String,
    /// Raw path behind the name, and the query with its `?`; often empty.
    pub target: String,
    /// `name: value` lines, each ended by CRLF; none about connection, length or host.
    pub headers: Vec<u8>,
    /// Where the reply is sent.
    pub callback: Option<String>,
    /// Whether the reply is kept to be fetched.
    pub store: bool,
    /// When it was asked for.
    pub queued_at: Millis,
}

/// Milliseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Millis(pub i64);

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not yet run.
    Queued,
    /// Failed, and to be run again.
    Waiting,
    /// Being run.
    Running,
    /// Run; the function's last status says how it went.
    Done,
    /// Failed for the last time; kept until it is replayed or purged.
    Dead,
    /// Ended by a client before it was done.
    Cancelled,
}

/// Where a reply's delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// To be delivered, or tried again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// The receiver did not take it in all the time there was.
    Failed,
    /// It may not be delivered there.
    Refused,
}

/// How a call stands, for those who ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// `name.namespace`.
    pub function: String,
    /// The client's label.
    pub call_id: String,
    /// Where it stands.
    pub state: State,
    /// Attempts that ended.
    pub attempts: u32,
    /// Status of the last attempt; `None` when there was no reply.
    pub status: Option<u16>,
    /// Why the last attempt failed, when there was no reply.
    pub error: Option<String>,
    /// When it was asked for.
    pub queued_at: Millis,
    /// When the last attempt began.
    pub started_at: Option<Millis>,
    /// When the next attempt is due, or when it ended.
    pub due: Millis,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// The delivery of its reply, when one was asked for.
    pub callback: Option<CallbackStanding>,
    /// The stored reply.
    pub reply: Option<StoredReply>,
}

/// How the delivery of a reply stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackStanding {
    /// Where to.
    pub url: String,
    /// How it went; `None` before the call is done.
    pub delivery: Option<Delivery>,
    /// Attempts so far.
    pub attempts: u32,
    /// Status of the last attempt.
    pub status: Option<u16>,
    /// Why it failed or was refused.
    pub error: Option<String>,
    /// When it is tried next, while it is pending.
    pub due: Option<Millis>,
}

/// A reply that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReply {
    /// Its status.
    pub status: u16,
    /// `name: value` lines, each ended by CRLF.
    pub headers: Vec<u8>,
    /// Bytes kept of its body.
    pub bytes: u64,
    /// Whether its body had more than may be kept.
    pub cut: bool,
}

impl JobId {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads 32 hexadecimal digits; `None` when they are none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        // 32 digits are 128 bits.
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for JobId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a job id has 32 hexadecimal digits")
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Millis {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// This much later.
    #[must_use]
    pub fn after(self, by: std::time::Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by))
    }

    /// This much earlier.
    #[must_use]
    pub fn before(self, by: std::time::Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(by))
    }

    /// How long until then; 0 when it is past.
    #[must_use]
    pub fn until(self, then: Self) -> std::time::Duration {
        let millis = then.0.saturating_sub(self.0).max(0);
        std::time::Duration::from_millis(millis.unsigned_abs())
    }

    /// As a time of the system.
    #[must_use]
    pub fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(self.0.max(0).unsigned_abs())
    }
}

impl From<SystemTime> for Millis {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Self(i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX))
    }
}

impl State {
    /// Every state, with its word and its number in the store.
    const ALL: [(Self, &'static str, i64); 6] = [
        (Self::Queued, "queued", 0),
        (Self::Waiting, "waiting", 1),
        (Self::Running, "running", 2),
        (Self::Done, "done", 3),
        (Self::Dead, "dead", 4),
        (Self::Cancelled, "cancelled", 5),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The state of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|s| s.1 == word).map(|s| s.0)
    }

    /// Its number in the store.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The state of a number in the store.
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.iter().find(|s| s.2 == number).map(|s| s.0)
    }
}

impl Delivery {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// Its number in the store.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Pending => 1,
            Self::Delivered => 2,
            Self::Failed => 3,
            Self::Refused => 4,
        }
    }

    /// The delivery of a number in the store.
    #[must_use]
    pub const fn of_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Pending),
            2 => Some(Self::Delivered),
            3 => Some(Self::Failed),
            4 => Some(Self::Refused),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_digits_and_come_back() {
        let id = JobId::random().unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(JobId::parse(&text), Some(id));
        assert_eq!(JobId::from_bytes(*id.bytes()), id);
        assert_ne!(JobId::random().unwrap(), id);
    }

    #[test]
    fn other_texts_are_no_ids() {
        for bad in ["", "cat", &"g".repeat(32), &"0".repeat(31), &"0".repeat(33)] {
            assert_eq!(JobId::parse(bad), None, "{bad}");
        }
        assert_eq!(JobId::parse(&format!("+{}", "0".repeat(31))), None);
    }

    #[test]
    fn states_and_deliveries_come_back() {
        for (state, word, number) in State::ALL {
            assert_eq!((state.word(), state.number()), (word, number));
            assert_eq!(State::parse(word), Some(state));
            assert_eq!(State::of_number(number), Some(state));
        }
        assert_eq!(State::of_number(9), None);
        for number in 1..=4 {
            assert_eq!(Delivery::of_number(number).unwrap().number(), number);
        }
    }
}
