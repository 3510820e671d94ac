package main

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Work is what a workflow is told. Times are in seconds.
type Work struct {
	// How long the activity takes.
	Seconds float64 `json:"seconds"`
	// Its start-to-close timeout: when a cluster starts a lost one again.
	Timeout float64 `json:"timeout"`
	// Its heartbeat timeout; 0 for none.
	Heartbeat float64 `json:"heartbeat"`
}

// OneActivity runs the activity, and again until one attempt is done.
func OneActivity(ctx workflow.Context, work Work) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: seconds(work.Timeout),
		HeartbeatTimeout:    seconds(work.Heartbeat),
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    100 * time.Millisecond,
			BackoffCoefficient: 1,
		},
	})
	var result string
	err := workflow.ExecuteActivity(ctx, "work", work).Get(ctx, &result)
	return result, err
}

// Activities is the one activity.
type Activities struct {
	forgetful Forgetful
}

// Work takes its time, and says now and then that it is alive.
func (a *Activities) Work(ctx context.Context, work Work) (string, error) {
	if a.forgetful.forgets() {
		time.Sleep(seconds(2 * work.Timeout))
	}
	left := seconds(work.Seconds)
	for work.Heartbeat > 0 && left > time.Second {
		activity.RecordHeartbeat(ctx)
		time.Sleep(time.Second)
		left -= time.Second
	}
	time.Sleep(left)
	return "done", nil
}

// Forgetful decides which activities a worker forgets: they never end, as if their task had been
// lost.
type Forgetful struct {
	percent float64
	mutex   sync.Mutex
	debt    float64
}

// Evenly spread, so that two runs lose the same number.
func (f *Forgetful) forgets() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.debt += f.percent / 100
	if f.debt < 1 {
		return false
	}
	f.debt--
	return true
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}
