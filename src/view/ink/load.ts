import process from 'node:process';

/**
 * Loads the status view with React and Ink, which nothing else needs. React reads NODE_ENV once, and its development
 * build records a performance entry for every render, for good: a view that is left open for days must not have it,
 * whatever the environment is called.
 */
export async function loadInkView(): Promise<typeof import('./start.tsx')> {
  const { NODE_ENV: given } = process.env;
  process.env['NODE_ENV'] = 'production';
  try {
    return await import('./start.tsx');
  } finally {
    if (given === undefined) delete process.env['NODE_ENV'];
    else process.env['NODE_ENV'] = given;
  }
}
