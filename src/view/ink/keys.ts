import { PANELS, type Panel } from './layout.ts';

/** What the keys have set. */
export interface KeyState {
  readonly focus: Panel | null;
  /** First row shown of the panel with the focus. */
  readonly offset: number;
  readonly paused: boolean;
  readonly help: boolean;
  /** `q` was pressed: stop, leave or stay? */
  readonly asking: boolean;
  /** The pipeline was asked to stop; asking again means at once. */
  readonly stopping: boolean;
}

export const INITIAL_KEYS: KeyState = {
  focus: null,
  offset: 0,
  paused: false,
  help: false,
  asking: false,
  stopping: false,
};

/** What is to be done beyond the picture. */
export type KeyAction = 'stop' | 'force' | 'leave' | null;

/** A key as Ink reports it. */
export interface KeyPress {
  readonly input: string;
  readonly ctrl?: boolean;
  readonly escape?: boolean;
  readonly tab?: boolean;
  readonly shift?: boolean;
  readonly upArrow?: boolean;
  readonly downArrow?: boolean;
}

/** What a key means. `itemsInFocus` bounds how far a panel moves. */
export function press(
  state: KeyState,
  key: KeyPress,
  itemsInFocus: number,
): { readonly state: KeyState; readonly action: KeyAction } {
  if (key.ctrl === true) return key.input === 'c' ? stop(state) : still(state);
  if (state.asking) {
    if (key.escape === true) return still({ ...state, asking: false });
    if (key.input === 's') return state.stopping ? still({ ...state, asking: false }) : stop(state);
    if (key.input === 'v') return { state: { ...state, asking: false }, action: 'leave' };
    return still(state);
  }
  if (key.escape === true) return still({ ...state, help: false, focus: null, offset: 0 });
  if (key.tab === true) return still({ ...state, focus: nextPanel(state.focus, key.shift === true), offset: 0 });
  if (key.downArrow === true || key.input === 'j') return still(moved(state, 1, itemsInFocus));
  if (key.upArrow === true || key.input === 'k') return still(moved(state, -1, itemsInFocus));
  switch (key.input) {
    case 'q':
      return still({ ...state, asking: true, help: false });
    case '?':
      return still({ ...state, help: !state.help });
    case 'p':
      return still({ ...state, paused: !state.paused });
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
      return still({ ...state, help: false, focus: PANELS[Number(key.input) - 1] ?? null, offset: 0 });
    default:
      return still(state);
  }
}

function still(state: KeyState): { readonly state: KeyState; readonly action: null } {
  return { state, action: null };
}

function stop(state: KeyState): { readonly state: KeyState; readonly action: KeyAction } {
  const action = state.stopping ? 'force' : 'stop';
  // A paused picture would hide that the pipeline drains.
  return { state: { ...state, asking: false, paused: false, stopping: true }, action };
}

function moved(state: KeyState, by: number, items: number): KeyState {
  if (state.focus === null) return state;
  return { ...state, offset: Math.max(0, Math.min(state.offset + by, items - 1)) };
}

function nextPanel(focus: Panel | null, backwards: boolean): Panel {
  const at = focus === null ? (backwards ? 0 : -1) : PANELS.indexOf(focus);
  return PANELS[(at + (backwards ? -1 : 1) + PANELS.length) % PANELS.length] ?? 'stages';
}
