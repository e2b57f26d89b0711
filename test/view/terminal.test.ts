import { expect, test } from 'vitest';
import { describeTerminal } from '../../src/view/terminal.ts';

test.each([
  [{ LANG: 'en_US.UTF-8', TERM: 'xterm-256color' }, true],
  [{ LANG: 'C', TERM: 'xterm' }, false],
  [{ LANG: 'en_US.UTF-8', LC_ALL: 'C', TERM: 'xterm' }, false],
  [{ LANG: 'en_US.UTF-8', TERM: 'linux' }, false],
  [{ LANG: 'en_US.UTF-8', TERM: 'dumb' }, false],
  [{ WT_SESSION: '1' }, true],
  [{}, false],
])('of %j, Unicode is %s', (env, unicode) => {
  expect(describeTerminal(env, false).unicode).toBe(unicode);
});

test.each([
  [{ TERM: 'xterm' }, false, true],
  [{ TERM: 'xterm' }, true, false],
  [{ TERM: 'xterm', NO_COLOR: '1' }, false, false],
  [{ TERM: 'xterm', NO_COLOR: '' }, false, true],
  [{ TERM: 'dumb' }, false, false],
])('of %j with --no-color %s, colour is %s', (env, noColour, colour) => {
  expect(describeTerminal(env, noColour).colour).toBe(colour);
});
