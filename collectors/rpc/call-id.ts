import { canonicalJson } from '../../core/canonical-json.ts';
import { type HashKey, hmacBase64Url } from '../../core/keyed-hash.ts';
import type { RequestId } from './message.ts';

/**
 * The id of a call that two observers of one connection arrive at without a word between them: HMAC-SHA256 with the
 * home's call key over the wrapper's nonce, the request id with its JSON type, and the RFC 8785 form of method and
 * params. 43 characters.
 */
export function deriveCallId(
  key: HashKey,
  nonce: string,
  id: RequestId,
  method: string,
  params: unknown,
): string {
  return hmacBase64Url(key, `${nonce}\n${JSON.stringify(id)}\n${canonicalJson([method, params ?? null])}`);
}
