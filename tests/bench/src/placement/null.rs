//! A null cluster for placements: it has every namespace, knows no workflow, and starts whatever it is
//! asked to, at once.

use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;

use bytes::Bytes;
use panko_routing::wire::fields::{last_bytes, put_bytes, put_uint};

use crate::frame;
use crate::polls::messages;
use crate::server::{self, Stream, headers, trailers};

/// Where a null cluster answers.
pub async fn serve(number: usize) -> std::io::Result<SocketAddr> {
    server::serve(move |stream| answer(number, stream)).await
}

async fn answer(number: usize, (request, mut respond): Stream) -> Result<(), h2::Error> {
    let (head, body) = request.into_parts();
    let body = frame::read(body).await?;
    let asked = body.get(frame::PREFIX..).unwrap_or_default();
    let message = match head.uri.path().rsplit('/').next().unwrap_or_default() {
        "GetSystemInfo" => messages::system_info(),
        "DescribeNamespace" => {
            let namespace = last_bytes(asked, 1).unwrap_or_default();
            messages::describe_namespace(namespace, &uuid(number, namespace))
        }
        "StartWorkflowExecution" => started(),
        "DescribeWorkflowExecution" => {
            let mut stream = respond.send_response(headers(), false)?;
            return stream.send_trailers(trailers("5"));
        }
        // Counts and lists of what it does not have.
        _ => Bytes::new(),
    };
    let mut stream = respond.send_response(headers(), false)?;
    stream.send_data(frame::plain(&message), false)?;
    stream.send_trailers(trailers("0"))
}

/// The UUID of a namespace on cluster number `number`: no two are alike.
fn uuid(number: usize, namespace: &[u8]) -> String {
    let mut hash = DefaultHasher::new();
    hash.write(namespace);
    let low = hash.finish() & 0xffff_ffff_ffff;
    format!("5ca1ab1e-{number:04x}-4000-8000-{low:012x}")
}

/// `StartWorkflowExecutionResponse {run_id 1, started 3}`.
fn started() -> Bytes {
    let mut answer = Vec::new();
    put_bytes(&mut answer, 1, b"7d0d9a3f-3b0e-4a43-9d6f-a6e7f5a1b0c2");
    put_uint(&mut answer, 3, 1);
    answer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_of_each_cluster_has_a_uuid_of_its_own() {
        let all = [uuid(0, b"a"), uuid(0, b"b"), uuid(1, b"a")];
        assert!(all.iter().all(|uuid| uuid.len() == 36), "{all:?}");
        assert!(all[0] != all[1] && all[0] != all[2], "{all:?}");
    }
}
