// The table.

export interface Row {
  check: string;
  cluster: string;
  seconds: number;
  /** Missing if the check held. */
  problem?: string;
}

/** Prints the table and what failed; whether nothing did. */
export function report(rows: Row[], clusters: string[]): boolean {
  const print = (text: string) => process.stdout.write(`${text}\n`);
  print(' '.repeat(56) + clusters.map((name) => `  ${name.padEnd(14)}`).join(''));
  for (const check of new Set(rows.map((row) => row.check))) {
    const cells = clusters.map((cluster) => {
      const row = rows.find((r) => r.check === check && r.cluster === cluster);
      if (!row) return ' '.repeat(16);
      return `  ${(row.problem ? 'FAILED' : 'ok').padEnd(6)} ${row.seconds.toFixed(2).padStart(6)}s`;
    });
    print(check.padEnd(56) + cells.join(''));
  }
  const failed = rows.filter((row) => row.problem);
  for (const row of failed) print(`\nFAILED on ${row.cluster}: ${row.check}\n  ${row.problem}`);
  print(`\n${rows.length - failed.length} of ${rows.length} rows ok`);
  return failed.length === 0;
}
