package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nexus-rpc/sdk-go/nexus"
	nexusapi "go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporalnexus"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const nexusService = "greeter"

var (
	greetNow = nexus.NewSyncOperation("greet-now",
		func(_ context.Context, name string, _ nexus.StartOperationOptions) (string, error) {
			return "hello " + name, nil
		})
	// Ends with a workflow whose id, and result, is its input.
	greetLater = temporalnexus.NewWorkflowRunOperation("greet-later", echo,
		func(_ context.Context, id string, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
			return client.StartWorkflowOptions{ID: id}, nil
		})
)

func registerNexus(w worker.Worker) {
	service := nexus.NewService(nexusService)
	if err := service.Register(greetNow, greetLater); err != nil {
		panic(err)
	}
	w.RegisterNexusService(service)
	w.RegisterWorkflow(callsNexus)
}

// callsNexus calls one operation through an endpoint.
func callsNexus(ctx workflow.Context, endpoint, operation, input string) (string, error) {
	service := workflow.NewNexusClient(endpoint, nexusService)
	options := workflow.NexusOperationOptions{ScheduleToCloseTimeout: 20 * time.Second}
	var result string
	err := service.ExecuteOperation(ctx, operation, input, options).Get(ctx, &result)
	return result, err
}

// nexusOperations makes an endpoint through the address, so that it is there on every cluster.
func nexusOperations(ctx context.Context, s *stage) error {
	name := fmt.Sprintf("%s-%s", s.queue, s.cluster.name)
	made, err := s.client.OperatorService().CreateNexusEndpoint(ctx, &operatorservice.CreateNexusEndpointRequest{
		Spec: &nexusapi.EndpointSpec{Name: name, Target: &nexusapi.EndpointTarget{
			Variant: &nexusapi.EndpointTarget_Worker_{Worker: &nexusapi.EndpointTarget_Worker{
				Namespace: s.namespace, TaskQueue: s.queue,
			}},
		}},
	})
	if err != nil {
		return err
	}
	run, err := s.start(ctx, callsNexus, name, "greet-now", "panko")
	if err != nil {
		return err
	}
	if err := result(ctx, run, "hello panko"); err != nil {
		return err
	}
	// Half of these workflows live on another cluster than the operation.
	for n := range 4 {
		id := fmt.Sprintf("%s-later-%d", name, n)
		run, err := s.start(ctx, callsNexus, name, "greet-later", id)
		if err != nil {
			return err
		}
		if err := result(ctx, run, id); err != nil {
			return err
		}
	}
	endpoint := made.GetEndpoint()
	_, err = s.client.OperatorService().DeleteNexusEndpoint(ctx, &operatorservice.DeleteNexusEndpointRequest{
		Id: endpoint.GetId(), Version: endpoint.GetVersion(),
	})
	return err
}
