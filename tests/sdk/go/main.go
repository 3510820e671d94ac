// Every feature of an unchanged Go SDK, checked end to end at one address: a row for each promise, for each
// cluster. The README says how to run it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

// stopTime is how long the worker may take to stop when it is told.
const stopTime = 15 * time.Second

func main() {
	wanted, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	rows, err := run(wanted)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !report(rows, wanted.clusters) {
		os.Exit(1)
	}
}

func run(wanted *options) ([]row, error) {
	quiet := log.NewStructuredLogger(silent())
	// All defaults: what is checked is what users run.
	c, err := client.Dial(client.Options{
		HostPort: wanted.address, Namespace: wanted.namespace, Logger: quiet,
	})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	queue := fmt.Sprintf("checklist-go-%x", time.Now().UnixNano())
	w := worker.New(c, queue, worker.Options{})
	register(w)
	if err := w.Start(); err != nil {
		return nil, err
	}

	var rows []row
	var started []string
	for _, cluster := range wanted.clusters {
		for _, check := range checks {
			at := &stage{client: c, queue: queue, namespace: wanted.namespace, cluster: cluster}
			rows = append(rows, try(check, at))
			started = append(started, at.started...)
		}
	}
	began := time.Now()
	w.Stop()
	stopped := time.Since(began)
	for _, cluster := range wanted.clusters {
		r := row{check: "the worker stops when told", cluster: cluster.name, time: stopped}
		if stopped > stopTime {
			r.problem = fmt.Sprintf("it took %v", stopped)
		}
		rows = append(rows, r, health(c, cluster.name, started))
	}
	return rows, nil
}

// try runs one check; a panic is a failure like any other.
func try(check check, at *stage) (r row) {
	began := time.Now()
	r = row{check: check.name, cluster: at.cluster.name}
	defer func() {
		r.time = time.Since(began)
		if problem := recover(); problem != nil {
			r.problem = fmt.Sprint(problem)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if err := check.run(ctx, at); err != nil {
		r.problem = err.Error()
	}
	return r
}
