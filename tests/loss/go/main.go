// Command worker works on one task queue until it is told to end (SIGTERM), or killed. Its twin in
// Python is ../python/worker.py, which says why it differs from the SDK's defaults where it does.
//
// It also ends when its standard input does: then whoever started it is gone.
package main

import (
	"flag"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// What the command line says. 0 leaves a choice to the SDK.
type options struct {
	address, taskQueue, identity, ready             string
	activitySlots, activityPollers, workflowPollers int
	forget                                          float64
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "", "HOST:PORT")
	flag.StringVar(&o.taskQueue, "task-queue", "", "")
	flag.StringVar(&o.identity, "identity", "", "")
	flag.StringVar(&o.ready, "ready", "", "a file, made once it polls")
	flag.IntVar(&o.activitySlots, "activity-slots", 0, "")
	flag.IntVar(&o.activityPollers, "activity-pollers", 0, "")
	flag.IntVar(&o.workflowPollers, "workflow-pollers", 0, "1: no sticky queue")
	flag.Float64Var(&o.forget, "forget", 0, "PERCENT of activities that never end")
	flag.Parse()

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func run(o options) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	c, err := client.Dial(client.Options{HostPort: o.address, Identity: o.identity})
	if err != nil {
		return err
	}
	defer c.Close()
	if o.workflowPollers == 1 {
		// A sticky queue would need a second one.
		worker.SetStickyWorkflowCacheSize(0)
	}
	w := worker.New(c, o.taskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: o.activitySlots,
		ActivityTaskPollerBehavior:         pollers(o.activityPollers),
		WorkflowTaskPollerBehavior:         pollers(o.workflowPollers),
		DisableEagerActivities:             true,
		WorkerStopTimeout:                  10 * time.Second,
		MaxHeartbeatThrottleInterval:       time.Second,
	})
	w.RegisterWorkflowWithOptions(OneActivity, workflow.RegisterOptions{Name: "OneActivity"})
	activities := &Activities{forgetful: Forgetful{percent: o.forget}}
	w.RegisterActivityWithOptions(activities.Work, activity.RegisterOptions{Name: "work"})
	if err := w.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(o.ready, nil, 0o644); err != nil {
		return err
	}
	<-told
	w.Stop()
	return nil
}

// So many pollers, where the older options would take no 1.
func pollers(number int) worker.PollerBehavior {
	if number == 0 {
		return nil
	}
	return worker.NewPollerBehaviorSimpleMaximum(
		worker.PollerBehaviorSimpleMaximumOptions{MaximumNumberOfPollers: number})
}
