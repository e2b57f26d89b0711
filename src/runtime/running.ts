import { openKafkaAdmin } from '../connections/kafka/admin.ts';
import { groupsOf } from '../definition/sink-groups.ts';
import type { Log } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { askControl, controlSockets } from './control.ts';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** True where somebody runs the pipeline, as far as its groups and the processes of this machine tell. */
export async function isRunning(
  { definition }: Plan,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  for (const { path } of await controlSockets(definition.name, env))
    if ((await askControl(path, 'GET', '/status').catch(() => null)) !== null) return true;
  const [{ component, options }] = definition.sources;
  if (component !== 'kafka') return false;
  const { connection } = options as { readonly connection?: string };
  const admin = await openKafkaAdmin(definition.connections[connection ?? 'kafka']?.options ?? {}, silent);
  try {
    for (const { group } of groupsOf(definition))
      if ((await admin.groupDescription(group)).members.length > 0) return true;
    return false;
  } finally {
    await admin.close();
  }
}
