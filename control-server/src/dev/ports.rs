//! Ports for the programs of a sandbox.

use std::net::{Ipv4Addr, TcpListener};

use super::error::Error;

/// Where free ports are taken from: below every usual ephemeral range. Otherwise a client that
/// reconnects while its server is down could be given the server's port for its own end.
const FIRST: u16 = 10_000;
const LAST: u16 = 32_700;

/// Chooses ports. Holds each until it is dropped, so that no two are the same.
#[derive(Debug, Default)]
pub struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    /// A free port on loopback.
    pub fn free(&mut self) -> Result<u16, Error> {
        let span = u128::from(LAST - FIRST);
        for _ in 0..1000 {
            let offset = uuid::Uuid::new_v4().as_u128() % span;
            let port = FIRST + u16::try_from(offset).unwrap_or_default();
            if self.hold(port) {
                return Ok(port);
            }
        }
        Err(Error::NoPort(FIRST, LAST))
    }

    /// This port, or an error that says whom to ask for it. 0 is any free one.
    pub fn exactly(&mut self, port: u16) -> Result<u16, Error> {
        match port {
            0 => self.free(),
            port if self.hold(port) => Ok(port),
            port => Err(Error::PortTaken(port)),
        }
    }

    fn hold(&mut self, port: u16) -> bool {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        bound.map(|listener| self.held.push(listener)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_used_once_all_are_chosen() {
        let mut ports = Ports::default();
        let mut chosen: Vec<_> = (0..50).map(|_| ports.free().unwrap()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 50);
        drop(ports);
        // Another test that starts a program just now has a copy of the listener until it does.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, chosen[0])) {
            assert!(std::time::Instant::now() < end, "{error}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_port_that_is_taken_says_whom_to_ask() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Ports::default().exactly(port).unwrap_err().to_string();
        assert!(error.starts_with(&format!("port {port} is taken; `ss -ltnp 'sport = :{port}'`")));
    }
}
