/** What a running pipeline answers to other commands on this machine. */
import type { Clock } from '../engine/ports.ts';
import type { ControlHandlers } from '../runtime/control.ts';
import { resume } from '../runtime/resume.ts';
import type { RunningPipeline } from '../runtime/run.ts';
import { tapRequest } from '../runtime/tap.ts';
import { jsonLine } from '../view/json.ts';

export const controlHandlers = (pipeline: RunningPipeline, clock: Clock): ControlHandlers => ({
  'GET /status': () => JSON.parse(jsonLine(pipeline.snapshot())) as unknown,
  'GET /dead-letter': (_, query) => pipeline.deadLetterSample(query.get('fingerprint') ?? ''),
  'GET /tap': (_, query) => pipeline.tap(tapRequest(query)),
  'POST /resume': (asked) => resume(pipeline, asked, clock.now()),
});
