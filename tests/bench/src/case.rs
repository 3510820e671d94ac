//! What is sent: small and large, plain and compressed.

use bytes::Bytes;

use crate::frame;
use crate::options::Way;
use crate::requests;

/// One request that the bench sends over and over.
pub struct Case {
    pub name: &'static str,
    /// The RPC.
    pub method: &'static str,
    pub gzip: bool,
    /// The gRPC frame, compressed or not: all that is on the wire after the headers.
    pub body: Bytes,
}

/// Every case. Sizes count the frame before compression; 16 KB is what one HTTP/2 DATA frame
/// holds by default, so that both sizes arrive in one piece.
pub fn all(way: Way) -> std::io::Result<Vec<Case>> {
    let (method, request): (_, fn(usize) -> Vec<u8>) = match way {
        Way::Chain => ("SignalWorkflowExecution", requests::signal_workflow),
        Way::Start | Way::Names => ("StartWorkflowExecution", requests::start_workflow),
    };
    let small = request(300 - frame::PREFIX);
    let large = request(16 * 1024 - frame::PREFIX);
    Ok(vec![
        Case { name: "300 B", method, gzip: false, body: frame::plain(&small) },
        Case { name: "300 B, gzip", method, gzip: true, body: frame::gzip(&small)? },
        Case { name: "16 KB", method, gzip: false, body: frame::plain(&large) },
        Case { name: "16 KB, gzip", method, gzip: true, body: frame::gzip(&large)? },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_request_compresses_moderately() {
        let cases = all(Way::Start).unwrap();
        let ratio = cases[3].body.len() as f64 / cases[2].body.len() as f64;
        assert!((0.3..0.8).contains(&ratio), "{ratio}");
    }
}
