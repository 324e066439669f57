import { messageOf, ToolmeterError } from '../../core/errors.ts';
import { logUnavailable, topicUnknown } from '../errors.ts';

/** What kafkajs throws, as far as we look at it. */
interface KafkaProblem {
  readonly name?: string;
  /** The protocol's name of an error (https://kafka.apache.org/protocol#protocol_error_codes). */
  readonly type?: string;
  readonly cause?: unknown;
  readonly host?: string;
  readonly port?: number;
}

/** The error at the bottom: kafkajs wraps what it gave up on. */
export function rootOf(error: unknown): KafkaProblem {
  let root = error as KafkaProblem;
  while (root?.name === 'KafkaJSNumberOfRetriesExceeded' && root.cause != null)
    root = root.cause as KafkaProblem;
  return root ?? {};
}

export function typeOf(error: unknown): string {
  return rootOf(error).type ?? '';
}

/** The producer was fenced: another with the same transactional id was initialised. */
export function isFenced(error: unknown): boolean {
  return [
    'INVALID_PRODUCER_EPOCH',
    'PRODUCER_FENCED',
    'INVALID_PRODUCER_ID_MAPPING',
    'INVALID_TXN_STATE',
  ].includes(typeOf(error));
}

const HINTS: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: 'Give this user READ and WRITE on the topics.',
  GROUP_AUTHORIZATION_FAILED: 'Give this user READ on the consumer groups.',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'Give this user WRITE on the transactional ids.',
  CLUSTER_AUTHORIZATION_FAILED: 'Give this user IDEMPOTENT_WRITE on the cluster.',
  SASL_AUTHENTICATION_FAILED: 'Check log.sasl: mechanism, username and password.',
};

/** What of TLS can be wrong, by the words of kafkajs, Node and OpenSSL; the first that fits. */
const TLS_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /alert (bad certificate|certificate required|handshake failure|unknown ca|certificate unknown)/,
    'The brokers ask for a client certificate that they trust: set log.ssl_cert_file and log.ssl_key_file.',
  ],
  [
    /certificate|altnames/i,
    "The brokers' certificate is not trusted for this address: name its authority in log.ssl_ca_file.",
  ],
  [
    /wrong version number|packet length too long|before secure TLS connection/,
    'The brokers speak no TLS at this address: leave log.ssl out, or take the port that does.',
  ],
  [
    /^Closed connection/,
    'Check log.ssl: brokers that speak TLS close connections without it. It is tried again by itself.',
  ],
];

/** What went wrong, in our words: TM_LOG_UNAVAILABLE or TM_TOPIC_UNKNOWN, but for what is an error of ours already. */
export function unavailable(what: string, error: unknown): ToolmeterError {
  if (error instanceof ToolmeterError) return error;
  const root = rootOf(error);
  if (root.type === 'UNKNOWN_TOPIC_OR_PARTITION') return topicUnknown(null, undefined, error);
  const message = messageOf(root).trim();
  const hint =
    HINTS[root.type ?? ''] ??
    (root.name === 'KafkaJSSASLAuthenticationError' ? HINTS.SASL_AUTHENTICATION_FAILED : undefined) ??
    TLS_HINTS.find(([words]) => words.test(message))?.[1] ??
    'Check that the brokers run and that log.brokers names them. It is tried again by itself.';
  return logUnavailable(what, message, hint);
}
