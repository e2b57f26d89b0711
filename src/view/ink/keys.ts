import { PANELS, type Panel } from './layout.ts';
import { type Listing, type Sorting, nextSorting, sortingOf } from './lists.ts';

/** What the keys have set. */
export interface KeyState extends Listing {
  readonly focus: Panel | null;
  /** Id of the line that j and k have moved to; null: none yet. */
  readonly selected: string | null;
  /** The selected line fills the screen. */
  readonly detail: boolean;
  readonly filter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
  readonly sortings: Readonly<Partial<Record<Panel, Sorting>>>;
  readonly paused: boolean;
  readonly help: boolean;
  /** The view of another process: q leaves it, and nothing stops the pipeline. */
  readonly attached: boolean;
  /** `q` was pressed: stop, leave or stay? */
  readonly asking: boolean;
  /** The pipeline was asked to stop; asking again means at once. */
  readonly stopping: boolean;
  /** What the last key has done, where the picture does not show it: `copied`. */
  readonly notice: string;
}

export const INITIAL_KEYS: KeyState = {
  focus: null,
  selected: null,
  detail: false,
  filter: '',
  typing: false,
  sortings: {},
  paused: false,
  help: false,
  attached: false,
  asking: false,
  stopping: false,
  notice: '',
};

/** What is to be done beyond the picture. */
export type KeyAction = 'stop' | 'force' | 'leave' | 'copy' | 'open' | null;

/** A key as Ink reports it. */
export interface KeyPress {
  readonly input: string;
  readonly ctrl?: boolean;
  readonly escape?: boolean;
  readonly tab?: boolean;
  readonly shift?: boolean;
  readonly return?: boolean;
  readonly backspace?: boolean;
  readonly delete?: boolean;
  readonly upArrow?: boolean;
  readonly downArrow?: boolean;
}

interface Pressed {
  readonly state: KeyState;
  readonly action: KeyAction;
}

const FILTER_MAX = 40;

/** What a key means. `linesOf` gives the ids of the lines in a panel, in the order in which they stand. */
export function press(former: KeyState, key: KeyPress, linesOf: (panel: Panel) => readonly string[]): Pressed {
  const state = former.notice === '' ? former : { ...former, notice: '' };
  if (key.ctrl === true) return key.input === 'c' ? stop(state) : still(state);
  if (state.asking) return answered(state, key);
  if (state.typing) return still(typed(state, key));
  if (key.escape === true) return still(back(state));
  if (key.tab === true) return still(focused(state, nextPanel(state.focus, key.shift === true)));
  const lines = state.focus === null ? [] : linesOf(state.focus);
  if (key.downArrow === true || key.input === 'j') return still(moved(state, 1, lines));
  if (key.upArrow === true || key.input === 'k') return still(moved(state, -1, lines));
  if (key.return === true) {
    const selected = state.selected ?? lines[0] ?? null;
    return selected === null || state.detail
      ? still(state)
      : { state: { ...state, selected, detail: true, help: false }, action: 'open' };
  }
  switch (key.input) {
    case 'q':
      return state.attached ? { state, action: 'leave' } : still({ ...state, asking: true, help: false });
    case '?':
      return still({ ...state, help: !state.help });
    case 'p':
      return still({ ...state, paused: !state.paused });
    case 'y':
      return lines.length === 0
        ? still(state)
        : { state: { ...state, selected: state.selected ?? lines[0]! }, action: 'copy' };
    case '/':
      return still({ ...inPanel(state), typing: true });
    case 's': {
      const inside = inPanel(state);
      return still(sorted(inside, nextSorting(inside.focus, inside)));
    }
    case 'r': {
      const inside = inPanel(state);
      const sorting = sortingOf(inside.focus, inside);
      return still(sorted(inside, { ...sorting, reversed: !sorting.reversed }));
    }
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
      return still(focused(state, PANELS[Number(key.input) - 1]!));
    default:
      return still(state);
  }
}

function still(state: KeyState): Pressed {
  return { state, action: null };
}

function stop(state: KeyState): Pressed {
  if (state.attached) return { state, action: 'leave' };
  const action = state.stopping ? 'force' : 'stop';
  // A paused picture would hide that the pipeline drains.
  return { state: { ...state, asking: false, typing: false, paused: false, stopping: true }, action };
}

/** To the question that `q` asks. */
function answered(state: KeyState, key: KeyPress): Pressed {
  if (key.escape === true) return still({ ...state, asking: false });
  if (key.input === 's') return state.stopping ? still({ ...state, asking: false }) : stop(state);
  if (key.input === 'v') return { state: { ...state, asking: false }, action: 'leave' };
  return still(state);
}

function typed(state: KeyState, key: KeyPress): KeyState {
  if (key.escape === true) return { ...state, typing: false, filter: '', selected: null };
  if (key.return === true) return { ...state, typing: false };
  if (key.backspace === true || key.delete === true) return { ...state, filter: state.filter.slice(0, -1) };
  if (!/^[\P{Cc}]$/u.test(key.input)) return state;
  return { ...state, filter: (state.filter + key.input).slice(0, FILTER_MAX), selected: null };
}

/** One step: out of the detail, then the filter, then the panel. */
function back(state: KeyState): KeyState {
  if (state.help) return { ...state, help: false };
  if (state.detail) return { ...state, detail: false };
  if (state.filter !== '') return { ...state, filter: '' };
  return { ...state, focus: null, selected: null };
}

function focused(state: KeyState, focus: Panel): KeyState {
  return {
    ...state,
    focus,
    selected: null,
    detail: false,
    help: false,
    filter: focus === state.focus ? state.filter : '',
  };
}

/** Without a panel: the one that is looked through most. */
function inPanel(state: KeyState): KeyState & { readonly focus: Panel } {
  const focus = state.focus ?? 'partitions';
  return { ...state, focus, detail: false, help: false };
}

function sorted(state: KeyState & { readonly focus: Panel }, sorting: Sorting): KeyState {
  return { ...state, sortings: { ...state.sortings, [state.focus]: sorting } };
}

function moved(state: KeyState, by: number, lines: readonly string[]): KeyState {
  if (lines.length === 0 || state.detail) return state;
  const at = state.selected === null ? -1 : lines.indexOf(state.selected);
  // One that is gone, or none yet: the first.
  const next = at === -1 ? 0 : Math.max(0, Math.min(at + by, lines.length - 1));
  return { ...state, selected: lines[next]! };
}

function nextPanel(focus: Panel | null, backwards: boolean): Panel {
  const at = focus === null ? (backwards ? 0 : -1) : PANELS.indexOf(focus);
  return PANELS[(at + (backwards ? -1 : 1) + PANELS.length) % PANELS.length] ?? 'stages';
}
