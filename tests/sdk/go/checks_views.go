package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/batch/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// schedules starts a workflow by a schedule, which is found under the id that the schedule gave it.
func schedules(ctx context.Context, s *stage) error {
	id := "schedule-" + s.cluster.id()
	handle, err := s.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   id,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		Action: &client.ScheduleWorkflowAction{
			ID: "by-" + id, Workflow: echo, Args: []any{"scheduled"}, TaskQueue: s.queue,
		},
	})
	if err != nil {
		return err
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return err
	}
	var started string
	err = until(ctx, "the scheduled run", func() (bool, error) {
		told, err := handle.Describe(ctx)
		if err != nil {
			return false, err
		}
		if actions := told.Info.RecentActions; len(actions) > 0 {
			started = actions[0].StartWorkflowResult.WorkflowID
		}
		return started != "", nil
	})
	if err != nil {
		return err
	}
	if err := result(ctx, s.client.GetWorkflow(ctx, started, ""), "scheduled"); err != nil {
		return err
	}
	err = until(ctx, "the schedule in the list", func() (bool, error) {
		list, err := s.client.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 1})
		if err != nil {
			return false, err
		}
		for list.HasNext() {
			entry, err := list.Next()
			if err != nil {
				return false, err
			}
			if entry.ID == id {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	return handle.Delete(ctx)
}

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

// versions has a versioned worker of its own, whose version gets the workflows once it is current.
func versions(ctx context.Context, s *stage) error {
	name, queue := "shop-"+s.queue+s.cluster.name, "versioned-"+s.queue+s.cluster.name
	version := worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: "one"}
	w := worker.New(s.client, queue, worker.Options{DeploymentOptions: worker.DeploymentOptions{
		UseVersioning: true, Version: version, DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}})
	w.RegisterWorkflow(echo)
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	deployment := s.client.WorkerDeploymentClient().GetHandle(name)
	err := until(ctx, "the version is known", func() (bool, error) {
		_, err := deployment.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: "one"})
		return err == nil, err
	})
	if err != nil {
		return err
	}
	options := s.options()
	options.TaskQueue = queue
	run, err := s.client.ExecuteWorkflow(ctx, options, echo, "versioned")
	if err != nil {
		return err
	}
	if err := result(ctx, run, "versioned"); err != nil {
		return err
	}
	told, err := s.client.DescribeWorkflowExecution(ctx, run.GetID(), "")
	if err != nil {
		return err
	}
	return equal(told.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId(), "one")
}
