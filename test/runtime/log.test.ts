import { describe, expect, it } from 'vitest';
import { pipelineLog, redact } from '../../src/runtime/log.ts';

const logInto = (lines: string[], secrets: readonly string[] = []) =>
  pipelineLog({ pipeline: 'orders', member: 'm-1', write: (line) => lines.push(line), secrets, now: () => 1000 });

describe('the log of a pipeline', () => {
  it('writes one JSON object a line with pipeline, member and code', () => {
    const lines: string[] = [];
    logInto(lines).warn('sink_unavailable', 'writing failed', { attempt: 2 });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        time: '1970-01-01T00:00:01.000Z',
        level: 'warn',
        pipeline: 'orders',
        member: 'm-1',
        code: 'sink_unavailable',
        message: 'writing failed',
        runbook: 'sink-down',
        attempt: 2,
      },
    ]);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
  });

  it('shows no secret, neither in messages nor in details nor in events', () => {
    const lines: string[] = [];
    const log = logInto(lines, ['hunter2']);
    log.error('x', 'password hunter2 refused for postgres://app:s3cret@db/shop', { cause: 'hunter2' });
    const shown = lines.join('') + JSON.stringify(log.events);
    expect(shown).not.toMatch(/hunter2|s3cret/);
    expect(shown).toContain('postgres://app:***@db/shop');
  });

  it('counts an event that comes again instead of pushing out what happened before', () => {
    const log = logInto([]);
    log.info('started', 'once');
    for (let i = 0; i < 60; i++) log.warn('sink_unavailable', 'ECONNREFUSED');
    log.info('assigned', 'owns 3');
    log.warn('sink_unavailable', 'ECONNREFUSED');
    expect(log.events).toMatchObject([
      { code: 'sink_unavailable', times: 61 },
      { code: 'assigned' },
      { code: 'started' },
    ]);
    expect(log.events[1]).not.toHaveProperty('times');
  });

  it('keeps the newest 50 events, newest first, and cuts long messages', () => {
    const log = logInto([]);
    for (let i = 0; i < 60; i++) log.info('n', `event ${i} ${'x'.repeat(1000)}`);
    expect(log.events).toHaveLength(50);
    expect(log.events[0]!.message).toMatch(/^event 59 /);
    expect(log.events[0]!.message).toHaveLength(500);
  });
});

describe('redact', () => {
  it('leaves text without secrets as it is', () => {
    expect(redact('connecting to http://db:8123/path?user:x@y failed', [''])).toBe(
      'connecting to http://db:8123/path?user:x@y failed',
    );
  });
});
