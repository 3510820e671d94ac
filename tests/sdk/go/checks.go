package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

var checks = []check{
	{"a workflow returns its result", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, echo, "panko")
		if err != nil {
			return err
		}
		return result(ctx, run, "panko")
	}},
	{"a workflow begins in its own process (eager start)", func(ctx context.Context, s *stage) error {
		options := s.options()
		options.EnableEagerStart = true
		run, err := s.client.ExecuteWorkflow(ctx, options, echo, "eager")
		if err != nil {
			return err
		}
		if err := result(ctx, run, "eager"); err != nil {
			return err
		}
		events := s.client.GetWorkflowHistory(ctx, run.GetID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		first, err := events.Next()
		if err != nil {
			return err
		}
		return equal(first.GetWorkflowExecutionStartedEventAttributes().GetEagerExecutionAccepted(), true)
	}},
	{"signals, queries and updates reach an open workflow", messages},
	{"a closed workflow answers queries", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, counter)
		if err != nil {
			return err
		}
		if err := s.client.SignalWorkflow(ctx, run.GetID(), "", "finish", nil); err != nil {
			return err
		}
		if err := result(ctx, run, 0); err != nil {
			return err
		}
		return total(ctx, s, run, 0)
	}},
	{"an update starts its workflow", func(ctx context.Context, s *stage) error {
		options := s.options()
		options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
		start := s.client.NewWithStartWorkflowOperation(options, counter)
		handle, err := s.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: start,
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateName: "add", Args: []any{3}, WaitForStage: client.WorkflowUpdateStageCompleted,
			},
		})
		if err != nil {
			return err
		}
		var got int
		if err := handle.Get(ctx, &got); err != nil {
			return err
		}
		return equal(got, 3)
	}},
	{"a signal starts its workflow", func(ctx context.Context, s *stage) error {
		options := s.options()
		run, err := s.client.SignalWithStartWorkflow(ctx, options.ID, "add", 2, options, counter)
		if err != nil {
			return err
		}
		return total(ctx, s, run, 2)
	}},
	{"a workflow is cancelled", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, counter)
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
	}},
	{"a workflow is terminated", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, counter)
		if err != nil {
			return err
		}
		if err := s.client.TerminateWorkflow(ctx, run.GetID(), "", "a test"); err != nil {
			return err
		}
		var terminated *temporal.TerminatedError
		if err := run.Get(ctx, nil); !errors.As(err, &terminated) {
			return fmt.Errorf("%v", err)
		}
		return nil
	}},
	{"a reset workflow runs again", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, echo, "twice")
		if err != nil {
			return err
		}
		if err := result(ctx, run, "twice"); err != nil {
			return err
		}
		again, err := s.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace:                 s.namespace,
			WorkflowExecution:         &common.WorkflowExecution{WorkflowId: run.GetID(), RunId: run.GetRunID()},
			WorkflowTaskFinishEventId: 4, RequestId: run.GetRunID(), Reason: "a test",
		})
		if err != nil {
			return err
		}
		return result(ctx, s.client.GetWorkflow(ctx, run.GetID(), again.GetRunId()), "twice")
	}},
	{"a workflow continues as new", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, again, 3)
		if err != nil {
			return err
		}
		return result(ctx, run, 0)
	}},
	{"a child is found under its own id", child},
	{"a timer fires", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, sleeper)
		if err != nil {
			return err
		}
		return result(ctx, run, "slept")
	}},
	{"a description and a history tell the same", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, echo, "seen")
		if err != nil {
			return err
		}
		if err := result(ctx, run, "seen"); err != nil {
			return err
		}
		told, err := s.client.DescribeWorkflowExecution(ctx, run.GetID(), "")
		if err != nil {
			return err
		}
		events := s.client.GetWorkflowHistory(ctx, run.GetID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		var count int64
		for events.HasNext() {
			if _, err := events.Next(); err != nil {
				return err
			}
			count++
		}
		return equal(told.GetWorkflowExecutionInfo().GetHistoryLength(), count)
	}},
	{"an activity is tried again", activityResult("flaky", "tried", "tried")},
	{"an activity returns its result", activityResult("greet", "panko", "hello panko")},
	{"a local activity returns its result", func(ctx context.Context, s *stage) error {
		run, err := s.start(ctx, worksLocally, "panko")
		if err != nil {
			return err
		}
		return result(ctx, run, "hello panko")
	}},
	{"an activity that heartbeats is cancelled", cancelledActivity},
	{"an activity is completed by its token", byToken},
	{"an activity is completed by its id", byID},
	{"a schedule is made, triggered, listed and deleted", schedules},
	{"a schedule is paused, changed and backfilled", backfills},
	{"a memo and search attributes are set, changed and searched", marks},
	{"lists and counts have the workflows of all clusters", lists},
	{"a batch terminates by query", batches},
	{"a worker version is made current", versions},
	{"a new version takes over by a ramp", ramps},
	{"Nexus operations end now and later, on any cluster", nexusOperations},
}
