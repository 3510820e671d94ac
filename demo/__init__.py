"""What `make demo` runs: ordinary Temporal orders through Panko's one address."""
