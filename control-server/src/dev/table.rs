//! The addresses as a person reads them.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::addresses::Addresses;

/// Writes the addresses, the one that matters first.
#[must_use]
pub fn render(addresses: &Addresses) -> String {
    let address = addresses.address;
    let namespaces = addresses.namespaces.join(", ");
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["", "gRPC", "Web", "Prometheus"]);
    for cluster in &addresses.clusters {
        table.add_row([
            format!("cluster {}", cluster.name),
            cluster.address.to_string(),
            cluster.ui.clone().unwrap_or_default(),
            cluster.metrics.clone(),
        ]);
    }
    for control_server in &addresses.control_servers {
        table.add_row([
            control_server.name.clone(),
            control_server.grpc.to_string(),
            String::new(),
            format!("http://{}/metrics", control_server.http),
        ]);
    }
    for envoy in &addresses.envoys {
        table.add_row([
            envoy.name.clone(),
            envoy.address.to_string(),
            format!("http://{}", envoy.admin),
            format!("http://{}/stats/prometheus", envoy.admin),
        ]);
    }
    let data = addresses.data_dir.display();
    format!(
        "\nPanko is ready. Point SDKs at\n\n    {address}    (namespace {namespaces})\n\n{table}\n\nData and logs are in {data}. Ctrl-C ends everything.\n",
        table = table.trim_fmt(),
    )
}
