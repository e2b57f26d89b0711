/** A pipeline with the settings of a tier, to begin with: it validates as it is. */
import type { Assessment, Tier } from './assess.ts';
import type { Answers } from './questions.ts';

export interface Settings {
  /** A whole pipeline file. */
  readonly pipeline: string;
  /** What runs it, `FILE` standing for the pipeline. */
  readonly run: readonly string[];
}

const pace: Readonly<Record<Tier, string>> = {
  batch: '# No `batch:`: each run reads to the end as fast as it can.\n',
  'micro-batch': 'batch: { every: 60s }    # one transaction a minute in each process\n',
  'near real time': 'batch: { every: 2s }     # few transactions, results a few seconds old\n',
  'real time': '# No `batch:`: what is there is written at once.\n',
};

const runs: Readonly<Record<Tier, readonly string[]>> = {
  batch: ['0 * * * *  pipectl run FILE --until-end     # in the crontab'],
  'micro-batch': ['pipectl run FILE'],
  'near real time': [
    'pipectl run FILE',
    'pipectl lag FILE --check --warn-lag 10000 --max-lag 100000     # in your monitoring',
  ],
  'real time': [
    'pipectl run FILE',
    'pipectl lag FILE --check --warn-lag 1000 --max-lag 10000     # in your monitoring',
  ],
};

/** Topic, table and columns are examples; the rest follows from the answers. */
export function settingsFor({ needs }: Answers, { tier, partitions }: Assessment): Settings {
  // Where a repeated event does no harm a row may stand twice; else its key says which row it is.
  const sink = needs === 'none' ? 'mode: append' : 'key: [id]';
  return {
    run: runs[tier],
    pipeline: `# ${tier}
source:
  kafka: { topic: your.topic.v1 }    # at least ${partitions} partitions

${pace[tier]}
sinks:
  - postgres: { url: '\${PG_URL}', table: your_table, ${sink}, create: true }
`,
  };
}
