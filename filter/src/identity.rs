//! Which of Envoy's VMs this is. Each has placements of its own, and calls of its own on their way.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::host;

/// Where the VMs of one start of Envoy find its number, and how many of them have taken one.
const SHARED: &str = "panko.vms";

/// How often another VM may be faster before this one gives up.
const TRIES: usize = 100;

/// This start of Envoy, and a number for this VM that no other one of it has.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub process: u64,
    pub vm: u32,
}

impl Identity {
    /// Takes the next number.
    pub fn take() -> Self {
        // The standard library seeds its hashers from the host's random source.
        let random = RandomState::new().build_hasher().finish();
        for _ in 0..TRIES {
            let (known, unchanged) = host::shared(SHARED);
            let known = known.and_then(|bytes| <[u8; 12]>::try_from(bytes).ok());
            let Self { process, vm } = match known {
                Some([a, b, c, d, e, f, g, h, i, j, k, l]) => Self {
                    process: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
                    vm: u32::from_le_bytes([i, j, k, l]) + 1,
                },
                None => Self { process: random, vm: 0 },
            };
            let mut bytes = process.to_le_bytes().to_vec();
            bytes.extend(vm.to_le_bytes());
            if host::set_shared(SHARED, &bytes, unchanged) {
                return Self { process, vm };
            }
        }
        // One that nobody else has, and that looks like another Envoy's.
        Self { process: random, vm: 0 }
    }
}
