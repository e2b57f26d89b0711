import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import { planPipeline } from '../../src/plan/index.ts';

const directory = join(import.meta.dirname, 'bad');
