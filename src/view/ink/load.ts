import process from 'node:process';

/**
 * Loads the status view with React and Ink, which nothing else needs. React reads NODE_ENV once, and its development
 * build records a performance entry for every render, for good: a view that is left open for days must not have it.
 */
export async function loadInkView(): Promise<typeof import('./start.tsx')> {
  process.env['NODE_ENV'] ??= 'production';
  return import('./start.tsx');
}
