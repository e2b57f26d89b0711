/** Why no connection came about, as far as TLS and logging in are the reason, and what to change. */
import type { KafkaConnection } from './connection.ts';

interface Fault {
  readonly name?: string;
  /** Of Node's TLS socket. */
  readonly code?: unknown;
  readonly message: string;
}

/** What Node says of a certificate: codes of OpenSSL's verification, and its own for the name in it. */
const untrusted = /^(UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|CERT_|ERR_TLS_CERT)/;

/** Waiting does not mend it: certificates that do not fit, on either side. */
export function isTlsRefusal({ code, message }: Fault): boolean {
  return (
    (typeof code === 'string' && (untrusted.test(code) || code.startsWith('ERR_SSL_'))) ||
    // A certificate or key of ours that can not be read: the socket was never made.
    message.startsWith('Failed to connect: error:')
  );
}

/** A clause for the end of the message; empty where TLS has nothing to do with it. */
export function tlsAdvice(fault: Fault, { tls, sasl }: KafkaConnection): string {
  const { code, message, name } = fault;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return ': name the brokers as their certificate does';
  if (code === 'CERT_HAS_EXPIRED') return ": the broker's certificate has to be renewed";
  if (typeof code === 'string' && untrusted.test(code)) {
    const given = typeof tls === 'object' && tls.ca !== undefined;
    return given
      ? ': `tls.ca` is not the authority that signed the certificate of the broker'
      : ": give the authority that signed the broker's certificate: tls: { ca: '${file:/path/ca.pem}' }";
  }
  if (isTlsRefusal(fault)) return ': check `tls.cert` and `tls.key`, both are PEM text';
  if (message.includes('before secure TLS connection was established')) {
    return ': does this port speak TLS? If not, take `tls` out';
  }
  // A broker that expects something else just closes: a TLS handshake, or a login.
  if (name === 'KafkaJSConnectionClosedError') {
    if (tls === false) return ' before it answered: does this port want TLS? Then write `tls: true`, or give `tls.ca`';
    if (sasl === null) return ' before it answered: does this port want a login? Then give `sasl:`';
  }
  return '';
}
