import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Whether node_modules holds what package-lock.json says, by npm's own record of what it installed. */
export function isInstalled(root) {
  const record = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const { packages: installed } = JSON.parse(readFileSync(record, 'utf8'));
  const { packages: locked } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(locked).every(([name, { version, optional }]) => {
    if (name === '') return true;
    // Optional packages for other platforms are rightly absent.
    return installed[name] === undefined ? optional === true : installed[name].version === version;
  });
}
