package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
)

// stage is what a check gets: a client of the address, and ids that live on one cluster.
type stage struct {
	client           client.Client
	queue, namespace string
	cluster          *cluster
	started          []string
}

// check is one promise.
type check struct {
	name string
	run  func(context.Context, *stage) error
}

// options of every start: on this cluster, under a new id.
func (s *stage) options() client.StartWorkflowOptions {
	id := s.cluster.id()
	s.started = append(s.started, id)
	// What a failed check leaves open ends by itself.
	return client.StartWorkflowOptions{ID: id, TaskQueue: s.queue, WorkflowExecutionTimeout: 2 * time.Minute}
}

func (s *stage) start(ctx context.Context, workflow any, args ...any) (client.WorkflowRun, error) {
	return s.client.ExecuteWorkflow(ctx, s.options(), workflow, args...)
}

// equal says what came instead.
func equal[T comparable](got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%v, not %v", got, wanted)
	}
	return nil
}

// result of a run, which has to be this one.
func result[T comparable](ctx context.Context, run client.WorkflowRun, wanted T) error {
	var got T
	if err := run.Get(ctx, &got); err != nil {
		return err
	}
	return equal(got, wanted)
}

// until repeats what takes a moment.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not in time (%v)", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
