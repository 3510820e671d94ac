// The Web UI of the development server (the same module, the same version), pointed at any address: the
// development server's own can only show itself.
package main

import (
	"flag"
	"log"

	"github.com/temporalio/ui-server/v2/server"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

func main() {
	address := flag.String("address", "127.0.0.1:7233", "whose workflows are shown, HOST:PORT")
	port := flag.Int("port", 8080, "where the UI is served, on loopback")
	flag.Parse()
	ui := server.NewServer(server_options.WithConfigProvider(&config.Config{
		Host:                "127.0.0.1",
		Port:                *port,
		TemporalGRPCAddress: *address,
		EnableUI:            true,
		CORS:                config.CORS{CookieInsecure: true},
		HideLogs:            true,
	}))
	if err := ui.Start(); err != nil {
		log.Fatal(err)
	}
}
