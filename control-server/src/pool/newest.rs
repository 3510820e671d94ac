//! What is the newest that is known of each virtual namespace: a call that began before a change may come to
//! its pool after it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::topology::VirtualNamespace;
use crate::topology::generation::Generation;

/// What is known of all of them.
#[derive(Debug, Default)]
pub struct Newest(HashMap<Arc<str>, Known>);

/// What is known of one.
#[derive(Debug)]
enum Known {
    Here(Arc<VirtualNamespace>),
    /// It is gone, with all that was built before.
    Gone(Generation),
}

impl Newest {
    /// The newest look at the namespace of a poll. None if that is gone.
    pub fn of(&mut self, polled: &Arc<VirtualNamespace>) -> Option<Arc<VirtualNamespace>> {
        match self.0.get(&polled.name) {
            Some(Known::Here(known)) if known.generation >= polled.generation => {
                return Some(known.clone());
            }
            Some(Known::Gone(since)) if *since >= polled.generation => return None,
            _ => {}
        }
        self.0.insert(polled.name.clone(), Known::Here(polled.clone()));
        Some(polled.clone())
    }

    /// A namespace has changed. Whether that is the newest look at it.
    pub fn changed(&mut self, namespace: &Arc<VirtualNamespace>) -> bool {
        match self.0.get(&namespace.name) {
            Some(Known::Here(known)) if known.generation > namespace.generation => false,
            _ => {
                self.0.insert(namespace.name.clone(), Known::Here(namespace.clone()));
                true
            }
        }
    }

    /// A namespace is gone.
    pub fn gone(&mut self, name: &str) {
        self.0.insert(name.into(), Known::Gone(Generation::next()));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::topology::Topology;

    fn namespace() -> Arc<VirtualNamespace> {
        let yaml = "clusters:\n  - { name: a, address: \"127.0.0.1:1\" }\nnamespaces:\n  - name: orders\n    members:\n      - { cluster: a }\n";
        let config = Config::parse(yaml, Path::new("panko.yaml")).unwrap();
        Topology::new(&config.clusters, &config.namespaces, None)
            .namespace("orders")
            .unwrap()
            .clone()
    }

    #[test]
    fn a_poll_that_began_before_a_change_brings_nothing_old_back() {
        let (mut newest, old, new) = (Newest::default(), namespace(), namespace());
        assert!(newest.changed(&new));
        assert!(Arc::ptr_eq(&newest.of(&old).unwrap(), &new));
        assert!(!newest.changed(&old), "who told this was overtaken");
        let newer = namespace();
        assert!(Arc::ptr_eq(&newest.of(&newer).unwrap(), &newer), "nobody has told of it yet");
        assert!(Arc::ptr_eq(&newest.of(&new).unwrap(), &newer));
        assert!(newest.changed(&newer), "the other pools have not heard of it");
    }

    #[test]
    fn a_namespace_that_is_gone_comes_back_with_what_is_built_later() {
        let (mut newest, old) = (Newest::default(), namespace());
        newest.gone("orders");
        assert!(newest.of(&old).is_none());
        assert!(newest.of(&namespace()).is_some());
        newest.gone("orders");
        assert!(newest.changed(&old) && newest.of(&old).is_some(), "it was told in words");
    }
}
