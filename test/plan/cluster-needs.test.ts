import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { aclCommands, type ClusterNeeds, topicCommands } from '../../src/plan/cluster-needs.ts';

const hostile = `it's; $(touch x) "y" \\`;
const needs: ClusterNeeds = {
  brokers: 'a:1,b:2',
  user: hostile,
  topics: [
    { topic: 'orders', role: 'source', partitions: null, config: {}, createdByRun: false, why: 'read' },
    {
      topic: 'o.dlq',
      role: 'dead letters',
      partitions: 1,
      config: { 'retention.ms': '5' },
      createdByRun: true,
      why: 'w',
    },
  ],
  acls: [
    { resource: 'topic', name: 'shop.', pattern: 'prefixed', operations: ['READ', 'DESCRIBE'], why: 'r' },
    { resource: 'group', name: 'orders', pattern: 'literal', operations: ['READ'], why: 'g' },
  ],
};

/** The words a shell makes of each command line. */
function words(script: string, command: string): readonly (readonly string[])[] {
  const show = `${command}() { printf '%s\\n' "$@"; echo ---; }\n`;
  const printed = execFileSync('bash', ['--norc', '-c', (show + script).replaceAll(command, 'run')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return printed
    .split('---\n')
    .slice(0, -1)
    .map((text) => text.trimEnd().split('\n'));
}

describe('the commands for a platform team', () => {
  it('create what is ours to create; a source topic is a comment', () => {
    expect(words(topicCommands(needs), 'kafka-topics.sh')).toEqual([
      [
        '--bootstrap-server',
        'a:1,b:2',
        '--create',
        '--if-not-exists',
        '--topic',
        'o.dlq',
        '--partitions',
        '1',
        '--config',
        'retention.ms=5',
      ],
    ]);
    expect(topicCommands(needs)).toContain('# orders: read\n');
  });

  it('give the rights to the user, whatever his name', () => {
    const all = ['--bootstrap-server', 'a:1,b:2', '--add', '--allow-principal', `User:${hostile}`];
    expect(words(aclCommands(needs), 'kafka-acls.sh')).toEqual([
      [
        ...all,
        '--operation',
        'READ',
        '--operation',
        'DESCRIBE',
        '--topic',
        'shop.',
        '--resource-pattern-type',
        'prefixed',
      ],
      [...all, '--operation', 'READ', '--group', 'orders'],
    ]);
  });

  it('ask for the user where the connection names none', () => {
    expect(aclCommands({ ...needs, user: null })).toContain('--allow-principal "User:$PIPECTL_USER"');
  });
});
