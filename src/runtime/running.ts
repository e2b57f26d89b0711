import { openKafkaAdmin } from '../connections/kafka/admin.ts';
import { kafkaOptionsOf } from '../definition/kafka-connection.ts';
import { groupsOf } from '../definition/sink-groups.ts';
import { silentLog } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { askControl, controlSockets } from './control.ts';

/** True where somebody runs the pipeline, as far as its groups and the processes of this machine tell. */
export async function isRunning(
  { definition }: Plan,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  for (const { path } of await controlSockets(definition.name, env))
    if ((await askControl(path, 'GET', '/status').catch(() => null)) !== null) return true;
  if (definition.sources[0].component !== 'kafka') return false;
  const admin = await openKafkaAdmin(kafkaOptionsOf(definition), silentLog);
  try {
    for (const { group } of groupsOf(definition))
      if ((await admin.groupDescription(group)).members.length > 0) return true;
    return false;
  } finally {
    await admin.close();
  }
}
