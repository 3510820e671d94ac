//! The cluster behind Envoy: answers every call with an empty message.

use bytes::Bytes;

use crate::frame;
use crate::server::{Stream, headers, trailers};

/// Answers one call once its request is there. A request that lost bytes on the way gets
/// DATA_LOSS: a filter must not look cheap because it drops what it should forward.
pub async fn answer((request, mut respond): Stream) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut prefix = Vec::with_capacity(frame::PREFIX);
    let mut received = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        prefix.extend(chunk.iter().take(frame::PREFIX - prefix.len()));
        received += chunk.len();
    }
    let whole =
        prefix.try_into().is_ok_and(|prefix| frame::announced(prefix) + frame::PREFIX == received);

    let mut stream = respond.send_response(headers(), false)?;
    stream.send_data(Bytes::from_static(&[0; frame::PREFIX]), false)?;
    stream.send_trailers(trailers(if whole { "0" } else { "15" }))
}
