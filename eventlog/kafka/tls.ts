import { readFileSync } from 'node:fs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Certificates of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** A client certificate, with the chain up to its authority, and its key: where brokers ask for one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What `tls.connect` takes: PEM texts. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads the files of a TLS connection.
 * @returns undefined where it is not to be one: `ssl` is false and no file is named.
 * @throws ToolmeterError TM_TLS_FILE: a file can't be read or is no PEM; a certificate without its key, or the reverse.
 */
export function readTls(ssl: boolean, files: TlsFiles): Tls | undefined {
  const named = Object.entries(files).filter(([, path]) => path !== undefined && path !== '');
  if (!ssl && named.length === 0) return undefined;
  const tls = Object.fromEntries(named.map(([what, path]) => [what, readPem(path as string)])) as Tls;
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new ToolmeterError(
      'TM_TLS_FILE',
      `A client certificate needs both files; ${tls.cert === undefined ? 'ssl_cert_file' : 'ssl_key_file'} is not set.`,
      'Set log.ssl_cert_file and log.ssl_key_file, or neither.',
    );
  return tls;
}

function readPem(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ToolmeterError(
      'TM_TLS_FILE',
      `A file of the TLS settings can't be read: ${messageOf(error)}.`,
      'Check its path and its owner.',
    );
  }
  if (!text.includes('-----BEGIN '))
    throw new ToolmeterError(
      'TM_TLS_FILE',
      `${path} is no PEM file.`,
      'TLS files are PEM: text that begins with -----BEGIN.',
    );
  return text;
}
