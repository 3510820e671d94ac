package checklist;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;

/** The outcome of one check on one cluster; no problem means that it held. */
record Row(String check, String cluster, double seconds, Throwable problem) {
  interface Promise {
    void hold() throws Exception;
  }

  static Row of(String check, String cluster, Promise promise) {
    long began = System.nanoTime();
    Throwable problem = null;
    try {
      promise.hold();
    } catch (Exception | AssertionError e) {
      problem = e;
    }
    return new Row(check, cluster, (System.nanoTime() - began) / 1e9, problem);
  }

  /** Prints the table and what failed; whether nothing did. */
  static boolean report(List<Row> rows, List<String> clusters) {
    StringBuilder table = new StringBuilder(" ".repeat(56));
    clusters.forEach(name -> table.append(String.format("  %-14s", name)));
    var checks = new LinkedHashSet<String>();
    rows.forEach(row -> checks.add(row.check));
    for (String check : checks) {
      table.append(String.format("%n%-56s", check));
      for (String cluster : clusters) {
        for (Row row : rows) {
          if (row.check.equals(check) && row.cluster.equals(cluster)) {
            String word = row.problem == null ? "ok" : "FAILED";
            table.append(String.format(Locale.ROOT, "  %-6s %6.2fs", word, row.seconds));
          }
        }
      }
    }
    System.out.println(table);
    long failed = rows.stream().filter(row -> row.problem != null).count();
    for (Row row : rows) {
      if (row.problem != null) {
        System.out.printf("%nFAILED on %s: %s%n", row.cluster, row.check);
        row.problem.printStackTrace(System.out);
      }
    }
    System.out.printf("%n%d of %d rows ok%n", rows.size() - failed, rows.size());
    return failed == 0;
  }
}
