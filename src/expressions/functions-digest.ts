import { EvaluationError } from './errors.ts';
import { define } from './signature.ts';
import { unusable } from './values.ts';

/** Loaded at the first digest: it would be a good part of what `--version` takes. */
const crypto = () => process.getBuiltinModule('node:crypto');

const text = (at: string, value: unknown, name: string): string | Uint8Array =>
  typeof value === 'string' || value instanceof Uint8Array
    ? value
    : unusable(value, at, `${name} reads a text or bytes; for others write string(...)`);

/** Namespaces of RFC 9562, section 6.6. */
const namespaces: Readonly<Record<string, string>> = {
  dns: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  url: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  oid: '6ba7b812-9dad-11d1-80b4-00c04fd430c8',
  x500: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
};

/** The same name gives the same id (RFC 9562, version 5). The namespace is a UUID or one of dns, url (the default), oid, x500. */
function uuid5(at: string, name: string, namespace = 'url'): string {
  const id = Object.hasOwn(namespaces, namespace) ? namespaces[namespace]! : namespace;
  if (!/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id)) {
    throw new EvaluationError('invalid_argument', 'the namespace of uuid5 is a UUID, or dns, url, oid, x500', at);
  }
  const bytes = crypto()
    .createHash('sha1')
    .update(Buffer.from(id.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

export const digestFunctions = {
  sha256: define('any', 'string', (at, value: unknown) =>
    crypto()
      .createHash('sha256')
      .update(text(at, value, 'sha256'))
      .digest('hex'),
  ),
  hmac_sha256: define('any string', 'string', (at, value: unknown, key: string) =>
    crypto()
      .createHmac('sha256', key)
      .update(text(at, value, 'hmac_sha256'))
      .digest('hex'),
  ),
  uuid5: define('string string?', 'string', uuid5),
};
