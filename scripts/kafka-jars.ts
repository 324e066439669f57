import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const POM = fileURLToPath(new URL('./kafka-pom.xml', import.meta.url));
const CACHE = fileURLToPath(new URL('../node_modules/.cache/kafka/', import.meta.url));

/** The version of Apache Kafka that `kafka-pom.xml` names. */
export function kafkaVersion(): string {
  const found = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)</.exec(readFileSync(POM, 'utf8'));
  if (found === null) throw new Error(`${POM} names no version of kafka_2.13`);
  return found[1] as string;
}

/**
 * The folder with Apache Kafka's jars, brought by Maven (from wherever it is configured to look) where they are not
 * in the cache yet. Rejects where Maven is missing or can't reach its repository.
 */
export async function kafkaJars(): Promise<string> {
  const target = join(CACHE, kafkaVersion());
  if (existsSync(target)) return target;
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(join(CACHE, 'draft-'));
  try {
    await promisify(execFile)(
      'mvn',
      ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${draft}`],
      { timeout: 300_000 },
    );
    if (!existsSync(target)) renameSync(draft, target);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return target;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await kafkaJars());
