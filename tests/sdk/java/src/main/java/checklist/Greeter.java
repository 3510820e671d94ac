package checklist;

import io.nexusrpc.Operation;
import io.nexusrpc.Service;
import io.nexusrpc.handler.OperationHandler;
import io.nexusrpc.handler.OperationImpl;
import io.nexusrpc.handler.ServiceImpl;
import io.temporal.client.WorkflowOptions;
import io.temporal.nexus.Nexus;
import io.temporal.nexus.WorkflowRunOperation;

/** The Nexus service of the checklist: the contract that the calling workflow sees. */
@Service
public interface Greeter {
  @Operation
  String now(String name);

  /** Ends with a workflow whose id, and result, is its input. */
  @Operation
  String later(String id);

  /** The worker's side of it. */
  @ServiceImpl(service = Greeter.class)
  final class Impl {
    @OperationImpl
    public OperationHandler<String, String> now() {
      return OperationHandler.sync((context, details, name) -> "hello " + name);
    }

    @OperationImpl
    public OperationHandler<String, String> later() {
      return WorkflowRunOperation.fromWorkflowMethod(
          (context, details, id) -> {
            var options = WorkflowOptions.newBuilder().setWorkflowId(id).build();
            var client = Nexus.getOperationContext().getWorkflowClient();
            return client.newWorkflowStub(Workflows.Echo.class, options)::run;
          });
    }
  }
}
