package main

import (
	"context"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// versioned starts a worker of one version, on a queue of the deployment's name.
func (s *stage) versioned(name, build string, behavior workflow.VersioningBehavior) (worker.Worker, error) {
	w := worker.New(s.client, name, worker.Options{DeploymentOptions: worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: build},
		DefaultVersioningBehavior: behavior,
	}})
	w.RegisterWorkflow(echo)
	w.RegisterWorkflow(counter)
	return w, w.Start()
}

// current has a version get what starts. Servers know it once its workers have polled.
func (s *stage) current(ctx context.Context, name, build string) error {
	deployment := s.client.WorkerDeploymentClient().GetHandle(name)
	return until(ctx, "the version is known", func() (bool, error) {
		_, err := deployment.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return err == nil, err
	})
}

func (s *stage) startOn(ctx context.Context, queue string, workflow any, args ...any) (client.WorkflowRun, error) {
	options := s.options()
	options.TaskQueue = queue
	return s.client.ExecuteWorkflow(ctx, options, workflow, args...)
}

// runsOn says which other version a workflow runs on.
func (s *stage) runsOn(ctx context.Context, run client.WorkflowRun, build string) error {
	told, err := s.client.DescribeWorkflowExecution(ctx, run.GetID(), "")
	if err != nil {
		return err
	}
	return equal(told.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId(), build)
}

// versions has a version whose workflows stay with it.
func versions(ctx context.Context, s *stage) error {
	name := "shop-" + s.queue + s.cluster.name
	w, err := s.versioned(name, "one", workflow.VersioningBehaviorPinned)
	if err != nil {
		return err
	}
	defer w.Stop()
	if err := s.current(ctx, name, "one"); err != nil {
		return err
	}
	run, err := s.startOn(ctx, name, echo, "versioned")
	if err != nil {
		return err
	}
	if err := result(ctx, run, "versioned"); err != nil {
		return err
	}
	return s.runsOn(ctx, run, "one")
}

// ramps has a second version, which gets what starts by a ramp, and then the workflows of the first.
func ramps(ctx context.Context, s *stage) error {
	name := "ramp-" + s.queue + s.cluster.name
	for _, build := range []string{"one", "two"} {
		w, err := s.versioned(name, build, workflow.VersioningBehaviorAutoUpgrade)
		if err != nil {
			return err
		}
		defer w.Stop()
	}
	if err := s.current(ctx, name, "one"); err != nil {
		return err
	}
	old, err := s.begun(ctx, name, "one")
	if err != nil {
		return err
	}
	deployment := s.client.WorkerDeploymentClient().GetHandle(name)
	err = until(ctx, "the version is known", func() (bool, error) {
		ramp := client.WorkerDeploymentSetRampingVersionOptions{BuildID: "two", Percentage: 100}
		_, err := deployment.SetRampingVersion(ctx, ramp)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	young, err := s.begun(ctx, name, "two")
	if err != nil {
		return err
	}
	if err := s.current(ctx, name, "two"); err != nil {
		return err
	}
	for _, run := range []client.WorkflowRun{old, young} {
		if err := s.client.SignalWorkflow(ctx, run.GetID(), "", "finish", nil); err != nil {
			return err
		}
		if err := result(ctx, run, 0); err != nil {
			return err
		}
		if err := s.runsOn(ctx, run, "two"); err != nil {
			return err
		}
	}
	return nil
}

// begun is a workflow that has begun on this version.
func (s *stage) begun(ctx context.Context, queue, build string) (client.WorkflowRun, error) {
	run, err := s.startOn(ctx, queue, counter)
	if err != nil {
		return nil, err
	}
	if err := total(ctx, s, run, 0); err != nil {
		return nil, err
	}
	return run, s.runsOn(ctx, run, build)
}
