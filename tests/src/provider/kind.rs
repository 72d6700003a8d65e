//! Which provider is acted, and how it is set up.

/// The provider that is acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// faas-netes CE: 202 for changes, names from the path and the query, one namespace.
    Netes,
    /// faasd CE: 200 for changes, names from the body, namespaces by label, one replica.
    Faasd,
}

/// How a provider is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which one.
    pub kind: Kind,
    /// A path in front of every route, such as `/base`; empty for none.
    pub base: String,
    /// User and password that its `/system` routes ask for.
    pub credentials: Option<(String, String)>,
    /// Whether scaling to 0 is allowed; the community editions answer 400.
    pub zero_allowed: bool,
    /// Most functions that can be deployed through the API; a test may seed more.
    pub functions_max: usize,
}

impl Options {
    /// As the community edition comes, without credentials.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            base: String::new(),
            credentials: None,
            zero_allowed: false,
            functions_max: 15,
        }
    }

    /// Asks for these credentials.
    #[must_use]
    pub fn guarded(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Sits under a path.
    #[must_use]
    pub fn under(mut self, base: &str) -> Self {
        self.base = base.to_owned();
        self
    }

    /// Can scale to 0, as the commercial editions can.
    #[must_use]
    pub fn with_zero(mut self) -> Self {
        self.zero_allowed = true;
        self
    }
}

impl Kind {
    /// The status of a change that was accepted.
    #[must_use]
    pub fn changed(self) -> u16 {
        match self {
            Self::Netes => 202,
            Self::Faasd => 200,
        }
    }

    /// What `/system/info` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Netes => "faas-netes-ce",
            Self::Faasd => "faasd-ce",
        }
    }
}

/// The namespace of what names none.
pub(super) const DEFAULT_NAMESPACE: &str = "openfaas-fn";
