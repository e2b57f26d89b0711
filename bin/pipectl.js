#!/usr/bin/env node
import './node-version.cjs';
await import('../dist/cli/main.js');
