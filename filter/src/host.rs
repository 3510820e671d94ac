//! The host calls that the filter makes. A call that fails is logged or passed over, never a panic.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, GrpcStatusCode, LogLevel, MapType, Status};

use panko_routing::decision::Code;

/// How long a cluster has to answer a health check.
const HEALTH_CHECK: Duration = Duration::from_secs(1);

/// All headers of the request.
pub fn request_headers() -> Vec<(String, Vec<u8>)> {
    hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
}

/// Removes a request header.
pub fn remove_request_header(name: &str) {
    noted("remove a header", hostcalls::remove_map_value(MapType::HttpRequestHeaders, name));
}

/// Sets a request header; Envoy then chooses the route anew.
pub fn set_request_header(name: &str, value: &str) {
    noted("set a header", hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value)));
}

/// Bytes of the request's buffered body. Empty when there are none.
pub fn request_body(start: usize, length: usize) -> Vec<u8> {
    buffer(BufferType::HttpRequestBody, start, length)
}

/// Replaces the first `length` bytes of the request's buffered body.
pub fn replace_request_body(length: usize, bytes: &[u8]) {
    noted("replace a body", hostcalls::set_buffer(BufferType::HttpRequestBody, 0, length, bytes));
}

/// A header of the response; none if it is not text.
pub fn response_header(name: &str) -> Option<String> {
    // The call for text unwraps.
    let value = hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten();
    String::from_utf8(value?).ok()
}

/// Whether the response is one of gRPC's, and not of a proxy on the way: those may have any text in their body,
/// also under gRPC's content type.
pub fn is_grpc_answer() -> bool {
    let content_type = response_header("content-type").unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    response_header(":status").as_deref() == Some("200")
        && ["application/grpc", "application/grpc+proto"].contains(&kind.as_str())
}

/// Removes a response header.
pub fn remove_response_header(name: &str) {
    noted("remove a header", hostcalls::remove_map_value(MapType::HttpResponseHeaders, name));
}

/// Bytes of the response's buffered body. Empty when there are none.
pub fn response_body(start: usize, length: usize) -> Vec<u8> {
    buffer(BufferType::HttpResponseBody, start, length)
}

/// Replaces the first `length` bytes of the response's buffered body.
pub fn replace_response_body(length: usize, bytes: &[u8]) {
    noted("replace a body", hostcalls::set_buffer(BufferType::HttpResponseBody, 0, length, bytes));
}

/// The plugin's configuration.
pub fn plugin_configuration() -> Vec<u8> {
    buffer(BufferType::PluginConfiguration, 0, usize::MAX)
}

/// The message that has come on a gRPC stream. An empty one is `None` to the SDK.
pub fn stream_message(length: usize) -> Vec<u8> {
    buffer(BufferType::GrpcReceiveBuffer, 0, length)
}

/// Ends the call with a gRPC status.
pub fn answer_grpc(code: Code, message: &str) {
    let status = match code {
        Code::InvalidArgument => GrpcStatusCode::InvalidArgument,
        Code::NotFound => GrpcStatusCode::NotFound,
        Code::ResourceExhausted => GrpcStatusCode::ResourceExhausted,
        Code::Unimplemented => GrpcStatusCode::Unimplemented,
        Code::Internal => GrpcStatusCode::Internal,
        Code::Unavailable => GrpcStatusCode::Unavailable,
    };
    noted("answer", hostcalls::send_grpc_response(status, Some(message), vec![]));
}

/// Ends a call that is not gRPC.
pub fn answer_http(status: u32, text: &str) {
    let headers = vec![("content-type", "text/plain")];
    noted("answer", hostcalls::send_http_response(status, headers, Some(text.as_bytes())));
}

/// Opens a gRPC stream to one of Envoy's clusters, with this token if there is one.
pub fn open_stream(
    cluster: &str,
    service: &str,
    method: &str,
    token: Option<&str>,
) -> Result<u32, Status> {
    // A bare name may parse as an empty `GrpcService`, which aborts Envoy: send the message.
    let target = grpc_service(cluster);
    // The SDK wants text and hands bytes on. Lengths below 128 keep the prefix ASCII.
    let target = std::str::from_utf8(&target).map_err(|_| Status::BadArgument)?;
    let shown = token.map(|token| format!("Bearer {token}"));
    let metadata = shown.iter().map(|shown| ("authorization", shown.as_bytes())).collect();
    hostcalls::open_grpc_stream(target, service, method, metadata)
}

/// Whether Envoy has this cluster. The only way to know is to call it: the call is gRPC's health check, and what comes of
/// it is of no interest.
pub fn has_cluster(cluster: &str) -> bool {
    let target = grpc_service(cluster);
    let Ok(target) = std::str::from_utf8(&target) else { return false };
    let (service, method) = ("grpc.health.v1.Health", "Check");
    hostcalls::dispatch_grpc_call(target, service, method, vec![], None, HEALTH_CHECK).is_ok()
}

/// Sends a message on a stream.
pub fn send(stream: u32, message: &[u8]) {
    noted("send", hostcalls::send_grpc_stream_message(stream, Some(message), false));
}

/// Calls `on_tick` after `delay`, and again after each further `delay`. Zero ends that.
pub fn tick_after(delay: Duration) {
    noted("set the tick", hostcalls::set_tick_period(delay));
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Bytes that all VMs of this Envoy share, and a number that tells whether they have changed.
pub fn shared(key: &str) -> (Option<Vec<u8>>, Option<u32>) {
    hostcalls::get_shared_data(key).unwrap_or_default()
}

/// Writes them, unless they have changed since. Returns whether they were written.
pub fn set_shared(key: &str, bytes: &[u8], unchanged: Option<u32>) -> bool {
    hostcalls::set_shared_data(key, Some(bytes), unchanged).is_ok()
}

/// Makes this context the one that host calls are about.
pub fn act_for(context: u32) {
    noted("change the context", hostcalls::set_effective_context(context));
}

/// Envoy's node id; empty when it has none.
pub fn node_id() -> String {
    let id = hostcalls::get_property(vec!["xds", "node", "id"]).ok().flatten().unwrap_or_default();
    String::from_utf8(id).unwrap_or_default()
}

/// The number of the client's connection: Envoy gives out each once between its start and its end.
pub fn connection_id() -> Option<u64> {
    let bytes = hostcalls::get_property(vec!["connection", "id"]).ok().flatten()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Writes to Envoy's log.
pub fn log(level: LogLevel, text: &str) {
    // There is nowhere to report a log that fails.
    let _ = hostcalls::log(level, text);
}

fn buffer(kind: BufferType, start: usize, length: usize) -> Vec<u8> {
    hostcalls::get_buffer(kind, start, length).ok().flatten().unwrap_or_default()
}

fn noted(what: &str, result: Result<(), Status>) {
    if let Err(status) = result {
        log(LogLevel::Warn, &format!("panko: could not {what}: {status:?}"));
    }
}

/// `envoy.config.core.v3.GrpcService { envoy_grpc { cluster_name } }`, serialized.
fn grpc_service(cluster: &str) -> Vec<u8> {
    use panko_routing::wire::fields::put_bytes;
    let (mut envoy_grpc, mut service) = (Vec::new(), Vec::new());
    put_bytes(&mut envoy_grpc, 1, cluster.as_bytes());
    put_bytes(&mut service, 1, &envoy_grpc);
    service
}
