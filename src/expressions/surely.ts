/** What the generator may rely on without looking at the value. */
import { functions } from './functions.ts';
import type { Node, Type } from './tree.ts';

/** True where the value is of that type whatever the record holds. Fields never are: a schema may be wrong about them. */
export function surely(node: Node, type: Type): boolean {
  switch (node.kind) {
    case 'literal':
      return node.type === type;
    case 'binary':
      if (node.operator === '+')
        return type === 'string' && (surely(node.left, 'string') || surely(node.right, 'string'));
      return type === 'bool' && node.type === 'bool';
    case 'unary':
      return type === 'bool' && node.operator === '!';
    case 'conditional':
      return surely(node.yes, type) && surely(node.no, type);
    case 'macro':
      return node.type === type;
    case 'template':
      return type === 'string';
    case 'call': {
      if (node.name === 'has') return type === 'bool';
      const spec = functions.get(node.name);
      return spec !== undefined && spec.result === type && spec.neverNull;
    }
    default:
      return false;
  }
}
