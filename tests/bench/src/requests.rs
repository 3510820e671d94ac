//! The requests that the bench sends, of any size.
//!
//! Written on the wire by hand: every field that SDKs fill here is length-delimited. The numbers
//! are those of `temporal/api/workflowservice/v1/request_response.proto`, in the order in which
//! SDKs write them, so that a reader meets what it looks for where it would in real life.

const WORKFLOW_ID: &str = "order-5e0c2a4e-6f6b-4b53-9a3c-0d1f7b0c9e52";
const REQUEST_ID: &str = "c1a7f9d4-2d0b-4a43-8f0e-7b5d3e9a6c10";

/// A StartWorkflowExecutionRequest of `size` bytes, the same one each time.
pub fn start_workflow(size: usize) -> Vec<u8> {
    start_of(WORKFLOW_ID, size)
}

/// A StartWorkflowExecutionRequest of `size` bytes for a workflow with this id.
pub fn start_of(workflow_id: &str, size: usize) -> Vec<u8> {
    of_size(size, |input| {
        let mut request = Vec::new();
        field(&mut request, 1, b"default");
        field(&mut request, 2, workflow_id.as_bytes());
        field(&mut request, 3, &message(1, b"OrderWorkflow"));
        field(&mut request, 4, &message(1, b"orders"));
        field(&mut request, 5, &message(1, &payload(input)));
        field(&mut request, 9, b"4711@shop-7d9f");
        field(&mut request, 10, REQUEST_ID.as_bytes());
        request
    })
}

/// A SignalWorkflowExecutionRequest of `size` bytes, the same one each time.
pub fn signal_workflow(size: usize) -> Vec<u8> {
    of_size(size, |input| {
        let mut request = Vec::new();
        field(&mut request, 1, b"default");
        field(&mut request, 2, &message(1, WORKFLOW_ID.as_bytes()));
        field(&mut request, 3, b"OrderChanged");
        field(&mut request, 4, &message(1, &payload(input)));
        field(&mut request, 5, b"4711@shop-7d9f");
        field(&mut request, 6, REQUEST_ID.as_bytes());
        request
    })
}

/// What `encode` makes of an input that takes what the rest leaves.
fn of_size(size: usize, encode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let input = order(size);
    let mut request = encode(&input);
    let mut take = input.len();
    while request.len() > size && take > 0 {
        take -= 1;
        request = encode(input.get(..take).unwrap_or_default());
    }
    request
}

fn payload(input: &[u8]) -> Vec<u8> {
    let mut encoding = Vec::new();
    field(&mut encoding, 1, b"encoding");
    field(&mut encoding, 2, b"json/plain");
    let mut payload = Vec::new();
    field(&mut payload, 1, &encoding);
    field(&mut payload, 2, input);
    payload
}

/// A message with one field.
fn message(number: u8, value: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, number, value);
    message
}

/// A length-delimited field with a number below 16.
fn field(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = value.len();
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
}

/// JSON with random hex in it, at least `size` bytes: it deflates to somewhat over a half.
fn order(size: usize) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut json = String::from("{\"items\":[");
    while json.len() < size {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        json.push_str(&format!("{{\"sku\":\"{random:016x}\",\"count\":{}}},", random % 7 + 1));
    }
    json.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_size_that_was_asked_for() {
        for size in [300, 16 * 1024] {
            assert_eq!(start_workflow(size).len(), size);
            assert_eq!(signal_workflow(size).len(), size);
        }
    }
}
