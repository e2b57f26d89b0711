import { describe, expect, test } from 'vitest';
import { displayWidth, fit, gist, printable, printableDeep } from '../../src/view/text.ts';

describe('text from data', () => {
  test.each([
    ['a colour', '\u001b[31mred\u001b[0m', 'red'],
    ['a window title', '\u001b]0;pwned\u0007topic', 'topic'],
    ['a clear by a C1 control', 'a\u009b2Jb', 'ab'],
    ['a bare escape', 'a\u001bb\u007f\u0000', 'ab'],
    ['line ends', 'one\r\ntwo\tthree', 'one two three'],
    ['a bidirectional override', 'abc\u202Edcba', 'abcdcba'],
  ])('%s can not reach the terminal', (_what, text, safe) => {
    expect(printable(text, true)).toBe(safe);
  });

  test('ASCII shows what it can not show as a question mark, one for each character', () => {
    expect(printable('naïve 東京 😀', false)).toBe('na?ve ?? ?');
  });

  test('every text of a snapshot is made printable, numbers and null stay', () => {
    expect(printableDeep({ a: ['x\u0007', 1, null], b: { c: '\u001b[2J' } }, true)).toEqual({
      a: ['x', 1, null],
      b: { c: '' },
    });
  });
});

describe('width', () => {
  test('wide characters take two cells and combining marks none', () => {
    expect(displayWidth('orders')).toBe(6);
    expect(displayWidth('東京')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('😀')).toBe(2);
  });

  test('a text is padded or cut to exactly the cells it has', () => {
    expect(fit('42', 5, 'right', true)).toBe('   42');
    expect(fit('p5', 5, 'left', true)).toBe('p5   ');
    expect(fit('orders-by-store', 7, 'left', true)).toBe('orders…');
    expect(fit('orders-by-store', 7, 'left', false)).toBe('orders~');
    expect(fit('東京都庁', 6, 'left', true)).toBe('東京… ');
    expect(fit('orders', 0, 'left', true)).toBe('');
  });
});

test('the gist of an error leaves out what was being done before it cuts the cause', () => {
  const whole =
    'connecting to reports failed: connecting to PostgreSQL at db:5432: connect ECONNREFUSED 10.0.0.1:5432, next in 2 s';
  expect(gist(whole, 200)).toBe(whole);
  expect(gist(whole, 60)).toBe('connecting to reports failed: ECONNREFUSED, next in 2 s');
  expect(gist(whole, 28)).toBe('ECONNREFUSED, next in 2 s');
  expect(gist('x'.repeat(40), 28)).toBe('x'.repeat(40));
});
