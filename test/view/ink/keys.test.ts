import { describe, expect, test } from 'vitest';
import { INITIAL_KEYS, press, type KeyAction, type KeyPress, type KeyState } from '../../../src/view/ink/keys.ts';

const ESC: KeyPress = { input: '', escape: true };
const CTRL_C: KeyPress = { input: 'c', ctrl: true };
const ENTER: KeyPress = { input: '', return: true };
const TAB: KeyPress = { input: '', tab: true };

/** Presses one key after the other; a text is one key. */
function type(
  keys: readonly (KeyPress | string)[],
  lines: readonly string[] = ['a', 'b', 'c'],
  initial = INITIAL_KEYS,
): { state: KeyState; actions: readonly KeyAction[] } {
  let state = initial;
  const actions: KeyAction[] = [];
  for (const key of keys) {
    const result = press(state, typeof key === 'string' ? { input: key } : key, () => lines);
    state = result.state;
    if (result.action !== null) actions.push(result.action);
  }
  return { state, actions };
}

describe('quitting', () => {
  test('q asks and does nothing yet', () => {
    expect(type(['q'])).toMatchObject({ state: { asking: true }, actions: [] });
  });

  test('Esc stays, s stops, v leaves', () => {
    expect(type(['q', ESC])).toMatchObject({ state: { asking: false }, actions: [] });
    expect(type(['q', 's'])).toMatchObject({ state: { asking: false, stopping: true }, actions: ['stop'] });
    expect(type(['q', 'v'])).toMatchObject({ actions: ['leave'] });
  });

  test('v does nothing without the question, and s does not stop', () => {
    expect(type(['v', 'x'])).toEqual({ state: INITIAL_KEYS, actions: [] });
    expect(type(['s'])).toMatchObject({ state: { stopping: false }, actions: [] });
  });

  test('the view of another process is left by q and Ctrl-C, and stops nothing', () => {
    const attached = { ...INITIAL_KEYS, attached: true };
    expect(type(['q'], [], attached)).toMatchObject({ state: { asking: false }, actions: ['leave'] });
    expect(type([CTRL_C], [], attached).actions).toEqual(['leave']);
  });

  test('while it asks, no other key does anything', () => {
    expect(type(['q', 'p', '2', 'x'])).toMatchObject({
      state: { asking: true, paused: false, focus: null },
      actions: [],
    });
  });

  test('Ctrl-C stops without a question, again it forces', () => {
    expect(type([CTRL_C, CTRL_C]).actions).toEqual(['stop', 'force']);
    expect(type(['q', CTRL_C])).toMatchObject({ state: { asking: false }, actions: ['stop'] });
    expect(type(['q', 's', CTRL_C]).actions).toEqual(['stop', 'force']);
  });

  test('to ask for a stop twice by the question never forces', () => {
    expect(type(['q', 's', 'q', 's']).actions).toEqual(['stop']);
  });

  test('a stop ends the pause, so that draining is seen', () => {
    expect(type(['p', CTRL_C]).state.paused).toBe(false);
  });
});

describe('looking', () => {
  test('numbers and Tab choose a panel, Esc leaves it', () => {
    expect(type(['2']).state.focus).toBe('partitions');
    expect(type([TAB]).state.focus).toBe('stages');
    expect(type([TAB, TAB, { ...TAB, shift: true }]).state.focus).toBe('stages');
    expect(type([{ ...TAB, shift: true }]).state.focus).toBe('events');
    expect(type(['4', ESC]).state.focus).toBe(null);
  });

  test('j and k move within the panel and not beyond its ends', () => {
    expect(type(['2', 'j']).state.selected).toBe('a');
    expect(type(['2', 'j', 'j', 'j', 'k']).state.selected).toBe('b');
    expect(type(['2', 'j', 'j', 'j', 'j', 'j']).state.selected).toBe('c');
    expect(type(['2', 'k', 'k']).state.selected).toBe('a');
    expect(type(['j']).state.selected).toBeNull();
    expect(type(['2', 'j', '3']).state.selected).toBeNull();
  });

  test('a line keeps its selection when others take its place, and one that is gone gives way to the first', () => {
    const { state } = type(['2', 'j', 'j']);
    expect(press(state, { input: 'j' }, () => ['c', 'b', 'a']).state.selected).toBe('a');
    expect(press(state, { input: 'j' }, () => ['x', 'y']).state.selected).toBe('x');
    expect(press(state, { input: 'j' }, () => []).state.selected).toBe('b');
  });

  test('Enter opens the selected line, or the first; Esc goes back one step at a time', () => {
    expect(type(['4', ENTER])).toMatchObject({ state: { detail: true, selected: 'a' }, actions: ['open'] });
    expect(type(['4', 'j', 'j', ENTER, ENTER])).toMatchObject({ state: { selected: 'b' }, actions: ['open'] });
    expect(type([ENTER])).toMatchObject({ state: { detail: false }, actions: [] });
    expect(type(['4', ENTER], [])).toMatchObject({ state: { detail: false }, actions: [] });
    const steps = ['4', '/', 'x', ENTER, ENTER] as const;
    expect(type([...steps, ESC]).state).toMatchObject({ detail: false, filter: 'x', focus: 'deadLetters' });
    expect(type([...steps, ESC, ESC]).state).toMatchObject({ filter: '', focus: 'deadLetters' });
    expect(type([...steps, ESC, ESC, ESC]).state).toEqual(INITIAL_KEYS);
  });

  test('/ takes text until Enter, keys have no other meaning there, and Esc shows all again', () => {
    const { state, actions } = type(['2', '/', 'p', 'q', '5', { input: '', backspace: true }]);
    expect({ state, actions }).toMatchObject({ state: { filter: 'pq', typing: true, paused: false }, actions: [] });
    expect(press(state, ENTER, () => []).state).toMatchObject({ filter: 'pq', typing: false });
    expect(press(state, ESC, () => []).state).toMatchObject({ filter: '', typing: false });
    expect(type(['2', '/', ...Array.from({ length: 100 }, () => 'x')]).state.filter).toHaveLength(40);
    expect(type(['2', '/', '\u001b', '\u0000']).state.filter).toBe('');
    expect(type(['/']).state.focus).toBe('partitions');
    expect(type(['2', '/', 'x', ENTER, '3']).state.filter).toBe('');
    expect(type(['/', CTRL_C]).actions).toEqual(['stop']);
  });

  test('s goes through the orders of the panel and comes round, r reverses', () => {
    expect(type(['3', 's']).state.sortings).toEqual({ sinks: { by: 1, reversed: false } });
    expect(type(['3', 's', 's', 's', 's', 's']).state.sortings).toEqual({ sinks: { by: 0, reversed: false } });
    expect(type(['r', '3', 's', 'r']).state.sortings).toEqual({
      partitions: { by: 0, reversed: true },
      sinks: { by: 1, reversed: true },
    });
  });

  test('y copies the selected line, or the first, and what it says goes with the next key', () => {
    expect(type(['2', 'y'])).toMatchObject({ state: { selected: 'a' }, actions: ['copy'] });
    expect(type(['y']).actions).toEqual([]);
    expect(press({ ...INITIAL_KEYS, notice: 'copied' }, { input: 'x' }, () => []).state.notice).toBe('');
  });

  test('p pauses and goes on, ? opens and closes help', () => {
    expect(type(['p']).state.paused).toBe(true);
    expect(type(['p', 'p']).state.paused).toBe(false);
    expect(type(['?']).state.help).toBe(true);
    expect(type(['?', ESC]).state.help).toBe(false);
  });
});
