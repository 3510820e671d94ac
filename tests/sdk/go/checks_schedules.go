package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// hourly has a schedule that starts echo once an hour.
func hourly(ctx context.Context, s *stage, text string) (client.ScheduleHandle, error) {
	id := "schedule-" + s.cluster.id()
	return s.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   id,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		Action: &client.ScheduleWorkflowAction{
			ID: "by-" + id, Workflow: echo, Args: []any{text}, TaskQueue: s.queue,
		},
	})
}

// runs of a schedule, at least this many.
func runs(ctx context.Context, handle client.ScheduleHandle, least int) ([]string, error) {
	var ids []string
	err := until(ctx, "the scheduled runs", func() (bool, error) {
		told, err := handle.Describe(ctx)
		if err != nil {
			return false, err
		}
		ids = nil
		for _, action := range told.Info.RecentActions {
			ids = append(ids, action.StartWorkflowResult.WorkflowID)
		}
		return len(ids) >= least, nil
	})
	return ids, err
}

// schedules starts a workflow by a schedule, which is found under the id that the schedule gave it.
func schedules(ctx context.Context, s *stage) error {
	handle, err := hourly(ctx, s, "scheduled")
	if err != nil {
		return err
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return err
	}
	started, err := runs(ctx, handle, 1)
	if err != nil {
		return err
	}
	if err := result(ctx, s.client.GetWorkflow(ctx, started[0], ""), "scheduled"); err != nil {
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
			if entry.ID == handle.GetID() {
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

// backfills pauses a schedule, changes what it starts, and has it start what the hours of before would have.
func backfills(ctx context.Context, s *stage) error {
	handle, err := hourly(ctx, s, "before")
	if err != nil {
		return err
	}
	if err := handle.Pause(ctx, client.SchedulePauseOptions{Note: "a test"}); err != nil {
		return err
	}
	told, err := handle.Describe(ctx)
	if err != nil {
		return err
	}
	if state := told.Schedule.State; !state.Paused || state.Note != "a test" {
		return fmt.Errorf("it is not paused: %v", state)
	}
	if err := handle.Unpause(ctx, client.ScheduleUnpauseOptions{}); err != nil {
		return err
	}
	err = handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(input client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := input.Description.Schedule
			schedule.Action.(*client.ScheduleWorkflowAction).Args = []any{"changed"}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return err
	}
	end := time.Now().Add(-24 * time.Hour)
	err = handle.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{
		Start: end.Add(-150 * time.Minute), End: end, Overlap: enums.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
	}}})
	if err != nil {
		return err
	}
	started, err := runs(ctx, handle, 2)
	if err != nil {
		return err
	}
	for _, id := range started {
		if err := result(ctx, s.client.GetWorkflow(ctx, id, ""), "changed"); err != nil {
			return err
		}
	}
	return handle.Delete(ctx)
}
