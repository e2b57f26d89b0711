/**
 * ConsumerGroupDescribe (version 0, Kafka 3.7, KIP-848): members of groups of the new protocol, which kafkajs does not
 * know. DescribeGroups tells of such a group only that it is dead.
 */
import { kafkajs, type Broker, type Decoder } from './kafkajs.ts';
import { sendRequest } from './request.ts';

export interface NewProtocolGroup {
  readonly state: 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead';
  readonly members: readonly {
    readonly memberId: string;
    readonly clientId: string;
    readonly clientHost: string;
    /** What it owns now: topic -> partitions. */
    readonly assignment: ReadonlyMap<string, readonly number[]>;
  }[];
}

const describeKey = 69;
const version = 0;
/** GROUP_ID_NOT_FOUND: also what a broker says of a group of another kind. */
const groupNotFound = 69;

/** Asks the group's coordinator. Null where it is no group of the new protocol, or the broker has no such protocol. */
export async function describeNewProtocolGroup(coordinator: Broker, group: string): Promise<NewProtocolGroup | null> {
  if (coordinator.versions[describeKey] === undefined) return null;
  const { errorCode, ...description } = await sendRequest(coordinator, {
    key: describeKey,
    version,
    name: 'ConsumerGroupDescribe',
    encode: () => encodeRequest(group),
    decode: decodeResponse,
  });
  if (errorCode === groupNotFound) return null;
  if (errorCode !== 0) throw kafkajs().createErrorFromCode(errorCode);
  return description;
}

function encodeRequest(group: string) {
  const { Encoder } = kafkajs();
  return new Encoder()
    .writeUVarInt(0) // header's tagged fields
    .writeUVarIntArray([new Encoder().writeUVarIntString(group)])
    .writeBoolean(false) // authorized operations
    .writeUVarInt(0);
}

function decodeResponse(decoder: Decoder): NewProtocolGroup & { readonly errorCode: number } {
  decoder.readTaggedFields(); // header
  decoder.readInt32(); // throttle time
  const [found] = decoder.readUVarIntArray((group) => {
    const errorCode = group.readInt16();
    group.readUVarIntString(); // error message
    group.readUVarIntString(); // group id
    const state = (group.readUVarIntString() ?? 'Dead') as NewProtocolGroup['state'];
    group.readInt32(); // group epoch
    group.readInt32(); // assignment epoch
    group.readUVarIntString(); // assignor
    const members = group.readUVarIntArray(decodeMember) ?? [];
    group.readInt32(); // authorized operations
    group.readTaggedFields();
    return { errorCode, state, members };
  })!;
  return found!;
}

function decodeMember(decoder: Decoder): NewProtocolGroup['members'][number] {
  const text = () => decoder.readUVarIntString() ?? '';
  const memberId = text();
  text(); // instance id
  text(); // rack
  decoder.readInt32(); // member epoch
  const clientId = text();
  const clientHost = text();
  decoder.readUVarIntArray((topics) => topics.readUVarIntString()); // subscribed topics
  text(); // subscribed pattern
  const assignment = decodeAssignment(decoder);
  decodeAssignment(decoder); // what it is to own
  decoder.readTaggedFields();
  return { memberId, clientId, clientHost, assignment };
}

function decodeAssignment(decoder: Decoder): ReadonlyMap<string, readonly number[]> {
  const topics = decoder.readUVarIntArray((topic): [string, readonly number[]] => {
    topic.readBytes(16); // topic id
    const name = topic.readUVarIntString() ?? '';
    const partitions = topic.readUVarIntArray((ids) => ids.readInt32()) ?? [];
    topic.readTaggedFields();
    return [name, partitions];
  });
  decoder.readTaggedFields();
  return new Map(topics);
}
