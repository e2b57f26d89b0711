import { describe, expect, test } from 'vitest';
import { INITIAL_KEYS, press, type KeyAction, type KeyPress, type KeyState } from '../../../src/view/ink/keys.ts';

const ESC: KeyPress = { input: '', escape: true };
const CTRL_C: KeyPress = { input: 'c', ctrl: true };
const TAB: KeyPress = { input: '', tab: true };

/** Presses one key after the other; a text is one key. */
function type(
  keys: readonly (KeyPress | string)[],
  itemsInFocus = 10,
): { state: KeyState; actions: readonly KeyAction[] } {
  let state = INITIAL_KEYS;
  const actions: KeyAction[] = [];
  for (const key of keys) {
    const result = press(state, typeof key === 'string' ? { input: key } : key, itemsInFocus);
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

  test('s and v do nothing without the question', () => {
    expect(type(['s', 'v', 'x'])).toEqual({ state: INITIAL_KEYS, actions: [] });
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
    expect(type(['2', 'j', 'j', 'k']).state.offset).toBe(1);
    expect(type(['2', 'j', 'j', 'j', 'j'], 3).state.offset).toBe(2);
    expect(type(['2', 'k']).state.offset).toBe(0);
    expect(type(['j']).state.offset).toBe(0);
    expect(type(['2', 'j', '3']).state.offset).toBe(0);
  });

  test('p pauses and goes on, ? opens and closes help', () => {
    expect(type(['p']).state.paused).toBe(true);
    expect(type(['p', 'p']).state.paused).toBe(false);
    expect(type(['?']).state.help).toBe(true);
    expect(type(['?', ESC]).state.help).toBe(false);
  });
});
