import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { localJars, type RunningKafka } from './index.ts';
import { freePort, startProcess } from './process.ts';

/** A broker of our own that wants TLS, and passwords or client certificates. */
export interface SecuredKafka extends RunningKafka {
  /** TLS, and one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512. */
  readonly passwordBrokers: string[];
  /** TLS, and a client certificate. */
  readonly certificateBrokers: string[];
  readonly username: string;
  readonly password: string;
  /** PEM files: the authority of both sides, and a client's certificate and key. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string };
}

const USERNAME = 'toolmeter';
const PASSWORD = 'correct horse';

/** Starts it from Apache Kafka's jars, with certificates made by `openssl`. */
export async function startSecuredKafka(): Promise<SecuredKafka> {
  const folder = mkdtempSync(join(tmpdir(), 'toolmeter-tls-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  const at = (name: string): string => join(folder, name);
  await makeCertificates(folder);
  const passwords = `127.0.0.1:${await freePort()}`;
  const certificates = `127.0.0.1:${await freePort()}`;
  const module = 'org.apache.kafka.common.security';
  const broker = await startProcess(await localJars(), 'test', ({ plain, controller }) => {
    const listeners = `PLAINTEXT://${plain},SASL_SSL://${passwords},SSL://${certificates}`;
    return {
      settings: [
        `listeners=${listeners},CONTROLLER://${controller}`,
        `advertised.listeners=${listeners}`,
        'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL',
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${at('broker.pem')}`,
        'ssl.truststore.type=PEM',
        `ssl.truststore.location=${at('ca.pem')}`,
        'listener.name.ssl.ssl.client.auth=required',
        'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        `listener.name.sasl_ssl.plain.sasl.jaas.config=${module}.plain.PlainLoginModule required user_${USERNAME}="${PASSWORD}";`,
        `listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
        `listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=${module}.scram.ScramLoginModule required;`,
      ],
      format: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${USERNAME},password=${PASSWORD}]`,
      ]),
    };
  });
  return {
    ...broker,
    passwordBrokers: [passwords],
    certificateBrokers: [certificates],
    username: USERNAME,
    password: PASSWORD,
    files: { ca: at('ca.pem'), cert: at('client.pem'), key: at('client.key') },
    stop: async () => {
      await broker.stop();
      process.removeListener('exit', removeFolder);
      removeFolder();
    },
  };
}

/** An authority of its own, a broker's certificate for 127.0.0.1 and a client's, with their keys (PKCS #8). */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]): Promise<unknown> =>
    promisify(execFile)('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    ...['req', '-x509', ...key, '-days', '2', '-subj', '/CN=Toolmeter test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  );
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['broker', 'client']) {
    await openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    await openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', 'names', '-out', `${name}.crt`],
    );
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  writeFileSync(join(folder, 'broker.pem'), read('broker.key') + read('broker.crt'));
  writeFileSync(join(folder, 'client.pem'), read('client.crt'));
}
