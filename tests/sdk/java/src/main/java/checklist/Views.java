package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.fails;
import static checklist.Stage.until;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.batch.v1.BatchOperationTermination;
import io.temporal.api.enums.v1.IndexedValueType;
import io.temporal.api.operatorservice.v1.AddSearchAttributesRequest;
import io.temporal.api.workflowservice.v1.StartBatchOperationRequest;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.common.SearchAttributes;
import io.temporal.failure.TerminatedFailure;
import io.temporal.serviceclient.OperatorServiceStubs;
import io.temporal.serviceclient.OperatorServiceStubsOptions;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Checks of lists, what is searched by, and batches. */
final class Views {
  private Views() {}

  static void add(Map<String, Checks.Check> all) {
    all.put("a memo and search attributes are set, changed and searched", Views::marks);
    all.put("lists and counts have the workflows of all clusters", Views::lists);
    all.put("a batch terminates by query", Views::batches);
  }

  /** A memo and a search attribute of the checklist's own, which the workflow changes. */
  private static void marks(Stage s) throws Exception {
    String mark = Workflows.MARK.getName();
    var stubs =
        OperatorServiceStubs.newServiceStubs(
            OperatorServiceStubsOptions.newBuilder()
                .setChannel(s.client.getWorkflowServiceStubs().getRawChannel())
                .validateAndBuildWithDefaults());
    try {
      stubs.blockingStub().addSearchAttributes(
          AddSearchAttributesRequest.newBuilder()
              .setNamespace(s.client.getOptions().getNamespace())
              .putSearchAttributes(mark, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
              .build());
    } catch (StatusRuntimeException e) {
      equal(e.getStatus().getCode(), Status.Code.ALREADY_EXISTS);
    }
    until("the attribute is known", () -> s.client.countWorkflows(mark + " = 'none'") != null);
    String value = "value-" + s.id();
    var options =
        WorkflowOptions.newBuilder(s.options())
            .setMemo(Map.of("note", "kept"))
            .setTypedSearchAttributes(
                SearchAttributes.newBuilder().set(Workflows.MARK, value).build())
            .build();
    WorkflowStub stub = s.client.newUntypedWorkflowStub("Marked", options);
    stub.start(value + "-changed");
    found(s, stub, value, "kept");
    stub.signal("change");
    stub.getResult(Void.class);
    found(s, stub, value + "-changed", "changed");
  }

  private static void found(Stage s, WorkflowStub stub, String value, String note) throws Exception {
    String query = Workflows.MARK.getName() + " = '" + value + "'";
    until("it is found", () -> {
      var rows = s.client.listExecutions(query).toList();
      return rows.size() == 1
          && rows.get(0).getExecution().equals(stub.getExecution())
          && note.equals(rows.get(0).getMemo("note", String.class));
    });
  }

  private static void lists(Stage s) throws Exception {
    Set<String> mine = new HashSet<>();
    for (int n = 0; n < 3; n++) {
      mine.add(s.start("Echo", "listed").getExecution().getWorkflowId());
    }
    String query = "TaskQueue = '" + s.queue + "'";
    until("all of them once, and as many as are counted", () -> {
      Set<String> runs = new HashSet<>();
      long[] rows = {0};
      s.client.listExecutions(query).forEach(info -> {
        runs.add(info.getExecution().getRunId());
        mine.remove(info.getExecution().getWorkflowId());
        rows[0]++;
      });
      return mine.isEmpty()
          && runs.size() == rows[0]
          && s.client.countWorkflows(query).getCount() == rows[0];
    });
  }

  private static void batches(Stage s) throws Exception {
    WorkflowStub stub = s.start("Counter");
    String id = stub.getExecution().getWorkflowId();
    String query = "WorkflowId = '" + id + "' AND ExecutionStatus = 'Running'";
    until("it is visible", () -> s.client.countWorkflows(query).getCount() == 1);
    s.client.getWorkflowServiceStubs().blockingStub().startBatchOperation(
        StartBatchOperationRequest.newBuilder()
            .setNamespace(s.client.getOptions().getNamespace())
            .setVisibilityQuery(query)
            .setJobId(UUID.randomUUID().toString())
            .setReason("a test")
            .setTerminationOperation(BatchOperationTermination.newBuilder().setIdentity("a test"))
            .build());
    fails(() -> stub.getResult(Integer.class), TerminatedFailure.class);
  }
}
