//! How one cluster names what the callers name otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use panko_proto::rpc::Method;

use crate::wire::{Error, names};

type Names = HashMap<Arc<str>, Arc<str>>;

/// The namespace names that a member's cluster has for those that callers say, where they differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    physical: Names,
    virtual_names: Names,
}

/// A member, as far as names go: the virtual namespace, the cluster, the physical namespace.
pub type Place<'a> = (&'a str, &'a str, &'a str);

impl Dialect {
    /// The dialect in which a cluster is spoken to on behalf of a virtual namespace whose member is `own`. None if
    /// every name on the cluster is the one that callers say. `all` has every member of every namespace.
    ///
    /// Another virtual namespace's name becomes that of its first member on the cluster; one that has none there
    /// stays as it is.
    #[must_use]
    pub fn of<'a>(
        cluster: &str,
        own: Option<Place<'_>>,
        all: impl Iterator<Item = Place<'a>>,
    ) -> Option<Arc<Self>> {
        let mut dialect = Self::default();
        own.into_iter().for_each(|place| dialect.add(place));
        all.filter(|(_, at, _)| *at == cluster).for_each(|place| dialect.add(place));
        dialect.physical.iter().any(|(name, physical)| name != physical).then(|| Arc::new(dialect))
    }

    /// The first name that a namespace has here is the one that it is called by.
    fn add(&mut self, (name, _, physical): Place<'_>) {
        self.physical.entry(name.into()).or_insert_with(|| physical.into());
        self.virtual_names.insert(physical.into(), name.into());
    }

    /// A request as the cluster has to get it; none if it may go as it is.
    pub fn request(&self, method: &Method, message: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        replaced(message, method.names_in_request, &self.physical)
    }

    /// An answer of the cluster's as the caller has to get it; none if it may go as it is.
    pub fn answer(&self, method: &Method, message: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        replaced(message, method.names_in_answer, &self.virtual_names)
    }

    /// The opposite of [`Dialect::request`]: what the caller said.
    pub fn request_back(&self, method: &Method, message: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        replaced(message, method.names_in_request, &self.virtual_names)
    }

    /// The opposite of [`Dialect::answer`]: as if this cluster had answered.
    pub fn answer_back(&self, method: &Method, message: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        replaced(message, method.names_in_answer, &self.physical)
    }
}

fn replaced(message: &[u8], node: Option<u16>, to: &Names) -> Result<Option<Vec<u8>>, Error> {
    let Some(node) = node else { return Ok(None) };
    names::replaced(message, node, &|name: &[u8]| {
        let name = std::str::from_utf8(name).ok()?;
        to.get(name).filter(|new| new.as_ref() != name).map(|new| new.as_bytes())
    })
}
