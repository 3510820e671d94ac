package checklist;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityInfo;
import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityMethod;
import java.util.concurrent.LinkedBlockingQueue;

/** The activities of the checklist. */
@ActivityInterface
public interface Activities {
  @ActivityMethod(name = "greet")
  String greet(String name);

  /** Fails the first time. */
  @ActivityMethod(name = "flaky")
  String flaky(String text);

  /** Goes on until it is cancelled. */
  @ActivityMethod(name = "heartbeats")
  String heartbeats(String nothing);

  /** Is ended by somebody else. */
  @ActivityMethod(name = "later")
  String later(String nothing);

  /** The worker's side of them. */
  final class Impl implements Activities {
    /** What somebody else needs to end an activity. */
    static final LinkedBlockingQueue<ActivityInfo> BEGUN = new LinkedBlockingQueue<>();

    public String greet(String name) {
      return "hello " + name;
    }

    public String flaky(String text) {
      if (Activity.getExecutionContext().getInfo().getAttempt() == 1) {
        throw new IllegalStateException("the first attempt fails on purpose");
      }
      return text;
    }

    public String heartbeats(String nothing) {
      while (true) {
        Activity.getExecutionContext().heartbeat("beat");
        try {
          Thread.sleep(200);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw Activity.wrap(e);
        }
      }
    }

    public String later(String nothing) {
      var context = Activity.getExecutionContext();
      BEGUN.add(context.getInfo());
      context.doNotCompleteOnReturn();
      return null;
    }
  }
}
