import type { StatusSnapshot } from '../../runtime/status.ts';
import type { KeyState } from './keys.ts';
import { fitItems, type Panel } from './layout.ts';
import { idOf, type Items, itemsIn, listingWords } from './lists.ts';

/** What a panel shows of its list in `room` rows. */
export interface PanelList<Item> {
  readonly shown: readonly Item[];
  /** Behind what is shown, to be summed up in one more row. */
  readonly rest: readonly Item[];
  readonly isSelected: (item: Item) => boolean;
  readonly focused: boolean;
  /** How the list differs from what it is by itself, for the title: `by lag, from 12 of 200`. */
  readonly words: string;
}

export function panelList<P extends Panel>(
  panel: P,
  snapshot: StatusSnapshot,
  keys: KeyState,
  room: number,
): PanelList<Items[P]> {
  const items = itemsIn(panel, snapshot, keys);
  const focused = keys.focus === panel;
  const isSelected = (item: Items[P]): boolean => focused && idOf(panel, item) === keys.selected;
  const { before, shown, rest } = fitItems(items, room, items.findIndex(isSelected));
  const from = before === 0 ? '' : `from ${before + 1} of ${items.length}`;
  return { shown, rest, isSelected, focused, words: [listingWords(panel, keys), from].filter(Boolean).join(', ') };
}
