package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func register(w worker.Worker) {
	for _, f := range []any{echo, counter, marked, parent, again, sleeper, worksLocally, works} {
		w.RegisterWorkflow(f)
	}
	registerNexus(w)
	for _, f := range []any{greet, flaky, heartbeats, later} {
		w.RegisterActivity(f)
	}
}

// echo returns what it was given.
func echo(_ workflow.Context, text string) (string, error) { return text, nil }

// counter adds up what signals and updates bring, until it is told to finish.
func counter(ctx workflow.Context) (int, error) {
	total, finished := 0, false
	if err := workflow.SetQueryHandler(ctx, "total", func() (int, error) { return total, nil }); err != nil {
		return 0, err
	}
	err := workflow.SetUpdateHandler(ctx, "add", func(_ workflow.Context, n int) (int, error) {
		total += n
		return total, nil
	})
	if err != nil {
		return 0, err
	}
	adds, finish := workflow.GetSignalChannel(ctx, "add"), workflow.GetSignalChannel(ctx, "finish")
	for !finished {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(adds, func(channel workflow.ReceiveChannel, _ bool) {
			var n int
			channel.Receive(ctx, &n)
			total += n
		})
		selector.AddReceive(finish, func(channel workflow.ReceiveChannel, _ bool) {
			channel.Receive(ctx, nil)
			finished = true
		})
		selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) { finished = true })
		selector.Select(ctx)
	}
	return total, ctx.Err()
}

// parent starts a child that counts, and returns its result.
func parent(ctx workflow.Context, child string) (int, error) {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: child})
	var total int
	err := workflow.ExecuteChildWorkflow(ctx, counter).Get(ctx, &total)
	return total, err
}

// again goes on as new until there is nothing left.
func again(ctx workflow.Context, left int) (int, error) {
	if left == 0 {
		return 0, nil
	}
	return 0, workflow.NewContinueAsNewError(ctx, again, left-1)
}

// mark is a search attribute of the checklist's own.
var mark = temporal.NewSearchAttributeKeyKeyword("PankoMark")

// marked changes its memo and its search attribute once it is told to.
func marked(ctx workflow.Context, value string) error {
	workflow.GetSignalChannel(ctx, "change").Receive(ctx, nil)
	if err := workflow.UpsertMemo(ctx, map[string]any{"note": "changed"}); err != nil {
		return err
	}
	return workflow.UpsertTypedSearchAttributes(ctx, mark.ValueSet(value))
}

func sleeper(ctx workflow.Context) (string, error) {
	return "slept", workflow.Sleep(ctx, time.Second)
}

func worksLocally(ctx workflow.Context, name string) (string, error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var greeting string
	err := workflow.ExecuteLocalActivity(ctx, greet, name).Get(ctx, &greeting)
	return greeting, err
}

// works runs one activity by its name.
func works(ctx workflow.Context, name string, input string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ActivityID: "the-activity", StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 10 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 3},
	})
	var result string
	err := workflow.ExecuteActivity(ctx, name, input).Get(ctx, &result)
	return result, err
}

func greet(_ context.Context, name string) (string, error) { return "hello " + name, nil }

// flaky fails the first time.
func flaky(ctx context.Context, text string) (string, error) {
	if activity.GetInfo(ctx).Attempt == 1 {
		return "", errors.New("the first attempt fails on purpose")
	}
	return text, nil
}

// heartbeats until it is cancelled.
func heartbeats(ctx context.Context, _ string) (string, error) {
	for {
		activity.RecordHeartbeat(ctx, "beat")
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tokens has the token of each activity that ends later, by the input that it got.
var tokens = make(chan []byte, 100)

// later is ended by somebody else.
func later(ctx context.Context, _ string) (string, error) {
	tokens <- activity.GetInfo(ctx).TaskToken
	return "", activity.ErrResultPending
}
