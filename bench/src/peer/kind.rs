//! Which proxies there are.

use std::str::FromStr;

/// A proxy that this program can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No proxy: the function server itself.
    Direct,
    Relay,
    Ringway,
    RingwayEpoll,
    /// The built-in provider, with its function on a Unix socket.
    RingwayUnix,
    /// A provider of a thousand functions.
    RingwayThousand,
    Nginx,
    NginxLarge,
    Haproxy,
    HaproxyLarge,
    Envoy,
    Hyper,
    MonoioHttp,
    Pingora,
}

impl Kind {
    pub(crate) const ALL: [Self; 14] = [
        Self::Direct,
        Self::Relay,
        Self::Ringway,
        Self::RingwayEpoll,
        Self::RingwayUnix,
        Self::RingwayThousand,
        Self::Nginx,
        Self::NginxLarge,
        Self::Haproxy,
        Self::HaproxyLarge,
        Self::Envoy,
        Self::Hyper,
        Self::MonoioHttp,
        Self::Pingora,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Ringway => "ringway",
            Self::RingwayEpoll => "ringway-epoll",
            Self::RingwayUnix => "ringway-unix",
            Self::RingwayThousand => "ringway-1000",
            Self::Nginx => "nginx",
            Self::NginxLarge => "nginx-large",
            Self::Haproxy => "haproxy",
            Self::HaproxyLarge => "haproxy-large",
            Self::Envoy => "envoy",
            Self::Hyper => "hyper",
            Self::MonoioHttp => "monoio-http",
            Self::Pingora => "pingora",
        }
    }

    /// What it is, for the page's reader.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Direct => "no proxy: the load generator talks to the function server",
            Self::Relay => "raw epoll byte relay, no HTTP, 64 KiB buffer, part of ringway-bench",
            Self::Ringway => "the binary, one shard, io_uring, one function behind a provider",
            Self::RingwayEpoll => "the same with the epoll driver",
            Self::RingwayUnix => "the same with the built-in provider, function on a Unix socket",
            Self::RingwayThousand => "as ringway, with 1,000 functions",
            Self::Nginx => "streaming (buffering off), default buffers",
            Self::NginxLarge => "streaming, 256 KiB buffers",
            Self::Haproxy => "http mode, http-reuse always, default buffers",
            Self::HaproxyLarge => "the same with tune.bufsize 256 KiB",
            Self::Envoy => "one worker, no access log",
            Self::Hyper => "hyper server and hyper-util client, one tokio thread",
            Self::MonoioHttp => "monoio-http codecs with an idle list, one thread",
            Self::Pingora => "pingora-proxy, one thread",
        }
    }

    /// Whether it is Ringway in one of its forms.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Ringway | Self::RingwayEpoll | Self::RingwayUnix | Self::RingwayThousand
        )
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no proxy {name}; there are {names}")
        })
    }
}
