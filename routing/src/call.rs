//! One call, from its headers to its [`Decision`].

use std::sync::Arc;

use panko_proto::rpc::{Class, KeyPath, Method};

use crate::decision::{Decision, Refusal};
use crate::key::{Key, Slot};
use crate::placement::{Home, NamespaceUuid, Placement, Placements, Starts};
use crate::poll::PollHash;
use crate::wire::frame::{Encoding, FrameError, FrameReader};
use crate::wire::scanner::Scanner;

/// The headers that matter, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `:path`.
    pub path: &'a str,
    /// `content-type`.
    pub content_type: &'a str,
    /// `grpc-encoding`; empty when there is none.
    pub encoding: &'a str,
}

/// What the headers alone tell.
#[derive(Debug)]
// It is taken apart where it is returned; a box would cost each call an allocation.
#[allow(clippy::large_enum_variant)]
pub enum Begun {
    /// Enough: the body need not be read.
    Decided(&'static Method, Decision),
    /// Nothing is to be read, since nothing is known of the method.
    Unknown(Refusal),
    /// The body decides.
    Reading(Call),
}

/// A call whose body decides where it goes.
#[derive(Debug)]
pub struct Call {
    method: &'static Method,
    encoding: Encoding,
    encoding_name: String,
    frame: FrameReader,
    scanner: Scanner,
    sought: Sought,
}

/// What the scanner looks for, in the order of its paths.
#[derive(Debug, Clone, Copy)]
enum Sought {
    /// The namespace, then the alternatives for the key.
    Key(&'static [KeyPath]),
    /// The UUID in the token.
    Token,
    /// The namespace, then the task queue.
    Poll(&'static KeyPath),
}

impl Call {
    /// Looks at a call's headers.
    #[must_use]
    pub fn begin(headers: Headers<'_>, placements: &Placements) -> Begun {
        if !headers.content_type.starts_with("application/grpc") {
            return Begun::Unknown(Refusal::NotGrpc);
        }
        let Some(method) = Method::by_path(headers.path) else {
            return Begun::Unknown(Refusal::UnknownMethod { path: headers.path.to_owned() });
        };
        if !placements.is_ready() {
            return Begun::Decided(method, Decision::Refuse(Refusal::NoPlacement));
        }
        let (scanner, sought) = match &method.class {
            Class::Key { namespace, keys, .. } => {
                let paths = std::iter::once(*namespace).chain(keys.iter().map(|key| key.path));
                (Scanner::new(paths), Sought::Key(keys))
            }
            Class::Token { uuid } => (Scanner::new([*uuid]), Sought::Token),
            Class::Poll { namespace, queue } => {
                (Scanner::new([*namespace, queue.path]), Sought::Poll(queue))
            }
            Class::Gather { .. } | Class::Broadcast { .. } | Class::Local => {
                return Begun::Decided(method, Decision::ControlServer);
            }
            Class::Refused { instead } => {
                let refusal = Refusal::Refused { method: method.name, instead };
                return Begun::Decided(method, Decision::Refuse(refusal));
            }
        };
        let (encoding, encoding_name) = match headers.encoding {
            "" | "identity" => (Encoding::Identity, String::new()),
            "gzip" => (Encoding::Gzip, String::new()),
            other => (Encoding::Unknown, other.to_owned()),
        };
        let frame = FrameReader::default();
        Begun::Reading(Call { method, encoding, encoding_name, frame, scanner, sought })
    }

    /// The call's RPC.
    #[must_use]
    pub fn method(&self) -> &'static Method {
        self.method
    }

    /// What the call's message is compressed with, if it is.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Takes the body's next bytes. `end` says that there are no more. `None` asks for more.
    pub fn push(&mut self, body: &[u8], end: bool, placements: &Placements) -> Option<Decision> {
        let sought = self.sought;
        let done = |scanner: &Scanner| match sought {
            Sought::Key(_) | Sought::Poll(_) => scanner.has(0) && scanner.has(1),
            Sought::Token => scanner.has(0),
        };
        match self.frame.push(body, self.encoding, &mut self.scanner, done) {
            Ok(true) => Some(self.decide(placements).unwrap_or_else(Decision::Refuse)),
            Ok(false) if end => Some(Decision::Refuse(self.refusal(self.frame.truncated()))),
            Ok(false) => None,
            Err(error) => Some(Decision::Refuse(self.refusal(error))),
        }
    }

    /// How many of the body's next bytes cannot matter, so that the host need not copy them.
    #[must_use]
    pub fn indifferent(&self) -> u64 {
        self.frame.indifferent(&self.scanner)
    }

    /// Passes over `bytes` of the body unseen, at most [`Call::indifferent`].
    pub fn skip(&mut self, bytes: u64) {
        self.frame.skip(bytes, &mut self.scanner);
    }

    /// The namespace and the slot of a start-type call, once its key has been read.
    #[must_use]
    pub fn started(&self, placements: &Placements) -> Option<(Arc<str>, Slot)> {
        let Sought::Key(keys) = self.sought else { return None };
        if !self.method.start_type {
            return None;
        }
        let key = self.key(keys)?;
        Some((self.placement(placements).ok()?.name().clone(), key.slot()))
    }

    fn key(&self, keys: &[KeyPath]) -> Option<Key<'_>> {
        let mut alternatives = keys.iter().zip(1..);
        alternatives.find_map(|(path, n)| Some(Key { kind: path.kind, id: self.scanner.value(n)? }))
    }

    fn decide(&self, placements: &Placements) -> Result<Decision, Refusal> {
        match self.sought {
            Sought::Token => self.by_token(placements),
            Sought::Key(keys) => self.by_key(keys, placements),
            Sought::Poll(queue) => self.by_queue(queue, placements),
        }
    }

    /// The placement of the namespace that the request names.
    fn placement<'a>(&self, placements: &'a Placements) -> Result<&'a Placement, Refusal> {
        let namespace = self.scanner.value(0).ok_or(Refusal::NamespaceNotSet)?;
        let known = std::str::from_utf8(namespace).ok().and_then(|name| placements.get(name));
        known.ok_or_else(|| Refusal::UnknownNamespace {
            namespace: String::from_utf8_lossy(namespace).into_owned(),
        })
    }

    fn by_key(&self, keys: &[KeyPath], placements: &Placements) -> Result<Decision, Refusal> {
        let placement = self.placement(placements)?;
        let not_set = || Refusal::KeyNotSet {
            method: self.method.name,
            kind: keys.first().map_or("", |key| key.kind),
        };
        let key = self.key(keys).ok_or_else(not_set)?;
        let slot = key.slot();
        let everywhere = self.method.creates_key && placement.locate_before_start();
        let several = self.method.start_type || self.method.answers_closed;
        let moved = several && placement.starts(slot) == Starts::Locate;
        if everywhere || moved {
            return Ok(Decision::Locate(PollHash::of(key.kind, placement.namespace(), key.id, 0)));
        }
        let index = placement.slot_owner_index(slot).ok_or(Refusal::NoPlacement)?;
        let owner = placement.members().get(index).ok_or(Refusal::NoPlacement)?;
        let cluster = owner.cluster.clone();
        let chain = placement.chain(index).filter(|_| !self.method.creates_key).cloned();
        Ok(match (placement.dialect(index).cloned(), chain) {
            (Some(dialect), chain) => {
                Decision::Translated { to: chain.unwrap_or(cluster.clone()), cluster, dialect }
            }
            (None, Some(chain)) => Decision::Chain { cluster, chain },
            (None, None) => Decision::Cluster(cluster),
        })
    }

    fn by_queue(&self, path: &KeyPath, placements: &Placements) -> Result<Decision, Refusal> {
        let placement = self.placement(placements)?;
        let queue = self.scanner.value(1).ok_or(Refusal::TaskQueueNotSet)?;
        let part = placement.part_of(queue);
        Ok(Decision::Poll(PollHash::of(path.kind, placement.namespace(), queue, part)))
    }

    fn by_token(&self, placements: &Placements) -> Result<Decision, Refusal> {
        let home = self
            .scanner
            .value(0)
            .and_then(NamespaceUuid::parse)
            .and_then(|uuid| placements.home_of(uuid));
        match home {
            Some(Home { cluster, dialect: None }) => Ok(Decision::Cluster(cluster.clone())),
            Some(Home { cluster, dialect: Some(dialect) }) => {
                let (cluster, dialect) = (cluster.clone(), dialect.clone());
                Ok(Decision::Translated { to: cluster.clone(), cluster, dialect })
            }
            // Only now all members are looked at, which takes its time.
            None => Err(match placements.unreached() {
                Some(member) => Refusal::TokenOfUnreached { cluster: member.cluster.to_string() },
                None => Refusal::UnknownToken,
            }),
        }
    }

    fn refusal(&self, error: FrameError) -> Refusal {
        match error {
            FrameError::Wire(error) => Refusal::Malformed { method: self.method.name, error },
            FrameError::Encoding => Refusal::Encoding { encoding: self.encoding_name.clone() },
            FrameError::Truncated => Refusal::Truncated,
            FrameError::Empty => Refusal::Empty,
        }
    }
}
