/**
 * Static membership (KIP-345): a member that names its instance gets the partitions back that it had, when it returns
 * within its session, and nobody else notices. kafkajs has the requests and does not use them; the partition assigner is
 * where it lets the connections of a consumer be reached.
 */
import type { PartitionAssigner } from 'kafkajs';
import { kafkajs, type Broker, type Cluster } from './kafkajs.ts';

/** An assigner that makes its consumer the member `instance` of the group. Partitions go round as with kafkajs' own. */
export function staticMember(instance: string): PartitionAssigner {
  return (config) => {
    const cluster = config.cluster as unknown as Cluster;
    const findCoordinator = cluster.findGroupCoordinator.bind(cluster);
    cluster.findGroupCoordinator = async (of) => asInstance(await findCoordinator(of), instance);
    return kafkajs().roundRobin(config);
  };
}

function asInstance(coordinator: Broker, instance: string): Broker {
  const { joinGroup, syncGroup, heartbeat } = kafkajs().groupRequests;
  const naming = (request: GroupRequest) => (given: object) => {
    const call = coordinator.lookupRequest(request.apiKey, request.versions)({ ...given, groupInstanceId: instance });
    return coordinator.connectionPool.send(call);
  };
  const replaced: Readonly<Record<PropertyKey, unknown>> = {
    joinGroup: (given: object) => naming(joinGroup)({ protocolType: 'consumer', ...given }),
    syncGroup: naming(syncGroup),
    heartbeat: naming(heartbeat),
    // It only goes away for a moment; when it does not come back, its session ends.
    leaveGroup: () => Promise.resolve(),
  };
  return new Proxy(coordinator, {
    get(broker, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name];
      const value: unknown = Reflect.get(broker, name);
      return typeof value === 'function' ? (value.bind(broker) as unknown) : value;
    },
  });
}

/** A request of the group protocol in all versions kafkajs has. */
export interface GroupRequest {
  readonly apiKey: number;
  readonly versions: object;
}
