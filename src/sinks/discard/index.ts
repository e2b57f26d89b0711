import { defineSink } from '../../declaration/component.ts';
import { Type } from '../../declaration/type.ts';

export const discardSink = defineSink({
  kind: 'sink',
  name: 'discard',
  summary: 'Counts rows and forgets them: to try a pipeline, and to measure it without a database.',
  options: Type.Object({}),
  example: 'discard: {}',
  delivery: () => ({ verdict: 'at least once', reason: 'nothing is kept, so nothing can be compared' }),

  async create(_options, context) {
    const { DiscardSink } = await import('./sink.ts');
    return new DiscardSink(context.name);
  },
});
