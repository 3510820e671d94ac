package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/batch/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// lists has three workflows on this cluster; the queue's others are on all.
func lists(ctx context.Context, s *stage) error {
	mine := map[string]bool{}
	for range 3 {
		run, err := s.start(ctx, echo, "listed")
		if err != nil {
			return err
		}
		mine[run.GetID()] = true
	}
	query := fmt.Sprintf("TaskQueue = '%s'", s.queue)
	return until(ctx, "all of them once, and as many as are counted", func() (bool, error) {
		seen := map[string]int{}
		var token []byte
		for {
			page, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
				Namespace: s.namespace, Query: query, PageSize: 5, NextPageToken: token,
			})
			if err != nil {
				return false, err
			}
			for _, info := range page.GetExecutions() {
				seen[info.GetExecution().GetRunId()]++
				delete(mine, info.GetExecution().GetWorkflowId())
			}
			if token = page.GetNextPageToken(); len(token) == 0 {
				break
			}
		}
		for run, times := range seen {
			if times != 1 {
				return false, fmt.Errorf("%s comes %d times", run, times)
			}
		}
		count, err := s.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.namespace, Query: query,
		})
		if err != nil {
			return false, err
		}
		return len(mine) == 0 && count.GetCount() == int64(len(seen)), errors.New("not yet")
	})
}

func batches(ctx context.Context, s *stage) error {
	run, err := s.start(ctx, counter)
	if err != nil {
		return err
	}
	query := fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = 'Running'", run.GetID())
	err = until(ctx, "it is visible", func() (bool, error) {
		count, err := s.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.namespace, Query: query,
		})
		return count.GetCount() == 1, err
	})
	if err != nil {
		return err
	}
	_, err = s.client.WorkflowService().StartBatchOperation(ctx, &workflowservice.StartBatchOperationRequest{
		Namespace: s.namespace, VisibilityQuery: query, JobId: "batch-" + run.GetRunID(), Reason: "a test",
		Operation: &workflowservice.StartBatchOperationRequest_TerminationOperation{
			TerminationOperation: &batch.BatchOperationTermination{Identity: "a test"},
		},
	})
	if err != nil {
		return err
	}
	if err := run.Get(ctx, nil); err == nil || ctx.Err() != nil {
		return fmt.Errorf("it was not terminated: %v", err)
	}
	return nil
}

// marks has a memo and a search attribute of the checklist's own, which the workflow changes.
func marks(ctx context.Context, s *stage) error {
	_, err := s.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace:        s.namespace,
		SearchAttributes: map[string]enums.IndexedValueType{mark.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD},
	})
	var there *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &there) {
		return err
	}
	query := func(value string) *workflowservice.ListWorkflowExecutionsRequest {
		return &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: s.namespace, Query: fmt.Sprintf("%s = '%s'", mark.GetName(), value),
		}
	}
	err = until(ctx, "the attribute is known", func() (bool, error) {
		_, err := s.client.ListWorkflow(ctx, query("none"))
		return err == nil, err
	})
	if err != nil {
		return err
	}
	options := s.options()
	value := "value-" + options.ID
	options.Memo = map[string]any{"note": "kept"}
	options.TypedSearchAttributes = temporal.NewSearchAttributes(mark.ValueSet(value))
	run, err := s.client.ExecuteWorkflow(ctx, options, marked, value+"-changed")
	if err != nil {
		return err
	}
	seen := func(value, note string) error {
		return until(ctx, "it is found", func() (bool, error) {
			page, err := s.client.ListWorkflow(ctx, query(value))
			if err != nil || len(page.GetExecutions()) != 1 {
				return false, err
			}
			info := page.GetExecutions()[0]
			var told string
			if err := converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()["note"], &told); err != nil {
				return false, err
			}
			return info.GetExecution().GetWorkflowId() == run.GetID() && told == note, equal(told, note)
		})
	}
	if err := seen(value, "kept"); err != nil {
		return err
	}
	if err := s.client.SignalWorkflow(ctx, run.GetID(), "", "change", nil); err != nil {
		return err
	}
	if err := run.Get(ctx, nil); err != nil {
		return err
	}
	return seen(value+"-changed", "changed")
}
