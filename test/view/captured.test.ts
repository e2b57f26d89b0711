/**
 * Screens of real runs, as `PIPECTL_CAPTURE=1 vitest run --project integration test/integration/screens.test.ts` read them off a
 * terminal, with what they were made of. Where the view has changed on purpose, capture them anew.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import type { DeadLetterSample, StatusSnapshot } from '../../src/runtime/status.ts';
import type { KeyState } from '../../src/view/ink/keys.ts';
import { picture } from './picture.tsx';

const folder = path.join(import.meta.dirname, 'captured');
const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/status-view.md'), 'utf8');
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [path.basename(file, '.json')] : []));
// Where they were taken.
vi.stubEnv('TZ', 'UTC');

interface Captured {
  readonly snapshot: StatusSnapshot;
  readonly keys: Partial<KeyState>;
  readonly sample?: DeadLetterSample;
}

test('some screens are kept', () => {
  expect(names.length).toBeGreaterThan(3);
});

test.each(names)('the view draws %s as a real terminal has shown it, and docs/status-view.md has it', (name) => {
  const { snapshot, keys, sample } = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8')) as Captured;
  const screen = readFileSync(path.join(folder, `${name}.txt`), 'utf8');
  const drawn = picture(snapshot, { keys, ...(sample && { sample }) });
  expect(`${drawn.replaceAll(/ +$/gm, '').trimEnd()}\n`).toBe(screen);
  // The page leaves out rows in which nothing stands.
  expect(page).toContain(`\`\`\`text\n${screen.replaceAll(/\n{3,}/g, '\n\n')}\`\`\`\n`);
});
