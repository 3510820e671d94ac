package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// messages brings 5 by a signal and 7 by an update.
func messages(ctx context.Context, s *stage) error {
	run, err := s.start(ctx, counter)
	if err != nil {
		return err
	}
	if err := s.client.SignalWorkflow(ctx, run.GetID(), "", "add", 5); err != nil {
		return err
	}
	update, err := s.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "add", Args: []any{7},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	var sum int
	if err := update.Get(ctx, &sum); err != nil {
		return err
	}
	if err := total(ctx, s, run, 12); err != nil {
		return err
	}
	if err := s.client.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), "finish", nil); err != nil {
		return err
	}
	return result(ctx, run, 12)
}

// total asks for the sum by a query.
func total(ctx context.Context, s *stage, run client.WorkflowRun, wanted int) error {
	answer, err := s.client.QueryWorkflow(ctx, run.GetID(), "", "total")
	if err != nil {
		return err
	}
	var got int
	if err := answer.Get(&got); err != nil {
		return err
	}
	return equal(got, wanted)
}

// child runs with its parent under an id that another cluster may own.
func child(ctx context.Context, s *stage) error {
	for n := range 4 {
		id := fmt.Sprintf("%s-child-%d", s.queue, n) + s.cluster.name
		run, err := s.start(ctx, parent, id)
		if err != nil {
			return err
		}
		found := s.client.GetWorkflow(ctx, id, "")
		err = until(ctx, "the child", func() (bool, error) {
			err := s.client.SignalWorkflow(ctx, id, "", "add", 4)
			return err == nil, err
		})
		if err != nil {
			return err
		}
		if err := total(ctx, s, found, 4); err != nil {
			return err
		}
		if err := s.client.SignalWorkflow(ctx, id, "", "finish", nil); err != nil {
			return err
		}
		if err := result(ctx, run, 4); err != nil {
			return err
		}
		if err := result(ctx, found, 4); err != nil {
			return err
		}
	}
	return nil
}

// activityResult is what a workflow with this one activity returns.
func activityResult(name, input, wanted string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, works, name, input)
		if err != nil {
			return err
		}
		return result(ctx, run, wanted)
	}
}

func cancelledActivity(ctx context.Context, s *stage) error {
	run, err := s.start(ctx, works, "heartbeats", "")
	if err != nil {
		return err
	}
	err = until(ctx, "a heartbeat", func() (bool, error) {
		told, err := s.client.DescribeWorkflowExecution(ctx, run.GetID(), "")
		if err != nil {
			return false, err
		}
		pending := told.GetPendingActivities()
		return len(pending) == 1 && pending[0].GetHeartbeatDetails() != nil, nil
	})
	if err != nil {
		return err
	}
	if err := s.client.CancelWorkflow(ctx, run.GetID(), ""); err != nil {
		return err
	}
	var cancelled *temporal.CanceledError
	if err := run.Get(ctx, nil); !errors.As(err, &cancelled) {
		return fmt.Errorf("%v", err)
	}
	return nil
}

func byToken(ctx context.Context, s *stage) error {
	run, err := s.start(ctx, works, "later", "")
	if err != nil {
		return err
	}
	if err := s.client.CompleteActivity(ctx, <-tokens, "done", nil); err != nil {
		return err
	}
	return result(ctx, run, "done")
}

func byID(ctx context.Context, s *stage) error {
	run, err := s.start(ctx, works, "later", "")
	if err != nil {
		return err
	}
	<-tokens
	err = until(ctx, "the activity by its id", func() (bool, error) {
		err := s.client.CompleteActivityByID(ctx, s.namespace, run.GetID(), "", "the-activity", "done", nil)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return result(ctx, run, "done")
}
