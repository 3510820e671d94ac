package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// row is the outcome of one check on one cluster; no problem means that it held.
type row struct {
	check, cluster, problem string
	time                    time.Duration
}

// report prints the table and what failed; whether nothing did.
func report(rows []row, clusters []*cluster) bool {
	cells := map[string]map[string]row{}
	var order []string
	for _, r := range rows {
		if cells[r.check] == nil {
			cells[r.check] = map[string]row{}
			order = append(order, r.check)
		}
		cells[r.check][r.cluster] = r
	}
	fmt.Printf("%-56s", "")
	for _, c := range clusters {
		fmt.Printf("  %-14s", c.name)
	}
	fmt.Println()
	for _, check := range order {
		fmt.Printf("%-56s", check)
		for _, c := range clusters {
			r := cells[check][c.name]
			word := "ok"
			if r.problem != "" {
				word = "FAILED"
			}
			fmt.Printf("  %-6s %6.2fs", word, r.time.Seconds())
		}
		fmt.Println()
	}
	failed := 0
	for _, r := range rows {
		if r.problem != "" {
			failed++
			fmt.Printf("\nFAILED on %s: %s\n  %s\n", r.cluster, r.check, r.problem)
		}
	}
	fmt.Printf("\n%d of %d rows ok\n", len(rows)-failed, len(rows))
	return failed == 0
}

// health looks into every history: a task that timed out was lost.
func health(c client.Client, cluster string, ids []string) row {
	began := time.Now()
	r := row{check: "no workflow task timed out", cluster: cluster}
	for _, id := range ids {
		events := c.GetWorkflowHistory(context.Background(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				break
			}
			attributes := event.GetWorkflowTaskTimedOutEventAttributes()
			if attributes.GetTimeoutType() == enums.TIMEOUT_TYPE_START_TO_CLOSE {
				r.problem = id + " has a task that timed out"
			}
		}
	}
	r.time = time.Since(began)
	return r
}

func silent() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}
