import { describe, expect, it } from 'vitest';
import { hideSecrets } from '../../src/declaration/secrets.ts';
import { pipelineLog } from '../../src/runtime/log.ts';

const stars = (secret: string) => '*'.repeat(secret.length);

describe('secrets', () => {
  it('are hidden wherever they stand, the longest first', () => {
    expect(hideSecrets('a hunter2-long and hunter2', ['hunter2', 'hunter2-long'], stars)).toBe(
      'a ************ and *******',
    );
  });

  it('of few letters are hidden as words of their own, and leave other words readable', () => {
    expect(hideSecrets('role ro of table b', ['ro', 'b'], stars)).toBe('role ** of table *');
  });

  it('in a log line are hidden in its values and leave its keys and code alone', () => {
    const lines: string[] = [];
    const log = pipelineLog({
      pipeline: 'p',
      member: 'm',
      write: (line) => lines.push(line),
      secrets: ['member', 'se"cret'],
      now: () => 0,
    });
    log.warn('sink_failed', 'no member se"cret', { reason: 'se"cret' });
    expect(JSON.parse(lines[0]!)).toMatchObject({
      member: 'm',
      code: 'sink_failed',
      message: 'no *** ***',
      reason: '***',
    });
  });
});
