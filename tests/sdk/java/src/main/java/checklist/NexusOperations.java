package checklist;

import static checklist.Stage.equal;

import io.temporal.api.nexus.v1.EndpointSpec;
import io.temporal.api.nexus.v1.EndpointTarget;
import io.temporal.api.operatorservice.v1.CreateNexusEndpointRequest;
import io.temporal.api.operatorservice.v1.DeleteNexusEndpointRequest;
import io.temporal.serviceclient.OperatorServiceStubs;
import io.temporal.serviceclient.OperatorServiceStubsOptions;

/** Operations that end now and later, through an endpoint that is made at the address. */
final class NexusOperations {
  private NexusOperations() {}

  static void run(Stage s) {
    String name = s.queue + "-" + s.cluster;
    String address = s.client.getWorkflowServiceStubs().getOptions().getTarget();
    var operator =
        OperatorServiceStubs.newServiceStubs(
                OperatorServiceStubsOptions.newBuilder()
                    .setTarget(address)
                    .validateAndBuildWithDefaults())
            .blockingStub();
    var worker =
        EndpointTarget.Worker.newBuilder()
            .setNamespace(s.client.getOptions().getNamespace())
            .setTaskQueue(s.queue);
    var spec =
        EndpointSpec.newBuilder().setName(name).setTarget(EndpointTarget.newBuilder().setWorker(worker));
    var made =
        operator
            .createNexusEndpoint(CreateNexusEndpointRequest.newBuilder().setSpec(spec).build())
            .getEndpoint();
    equal(s.start("CallsNexus", name, "now", "panko").getResult(String.class), "hello panko");
    // Half of these workflows live on another cluster than the operation.
    for (int n = 0; n < 4; n++) {
      String id = name + "-later-" + n;
      equal(s.start("CallsNexus", name, "later", id).getResult(String.class), id);
    }
    operator.deleteNexusEndpoint(
        DeleteNexusEndpointRequest.newBuilder()
            .setId(made.getId())
            .setVersion(made.getVersion())
            .build());
  }
}
