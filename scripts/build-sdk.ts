/**
 * `npm run build:sdk`: builds the package `toolmeter-sdk`, what runs beside a server, into `dist-sdk/` from the same
 * source. `-- --check` packs it, installs it alone in a temporary folder, and uses it on every Node that is asked of
 * it and found here.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { checkPackage } from './check-sdk.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist-sdk');
/** Unpacked size that the package may have, bytes. */
const MAX_BYTES = 2 * 1024 * 1024;
const NODE_TARGET = 'node20';

interface Manifest {
  version: string;
  license: string;
  dependencies: Record<string, string>;
}

async function main(): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await bundle();
  declarations();
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(packageJson(manifest), null, 2)}\n`);
  writeFileSync(join(out, 'README.md'), README);
  cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
  const bytes = sizeOf(out);
  if (bytes > MAX_BYTES) throw new Error(`dist-sdk is ${bytes} bytes; it may be ${MAX_BYTES}`);
  process.stdout.write(`dist-sdk: ${Math.round(bytes / 1024)} KiB\n`);
  if (process.argv.includes('--check')) checkPackage(out);
}

async function bundle(): Promise<void> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { index: 'collectors/sdk/index.ts', 'toolmeter-wrap': 'cli/wrap.ts' },
    outdir: out,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: NODE_TARGET,
    external: ['kafkajs'],
    chunkNames: 'chunks/[name]-[hash]',
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
    // cross-spawn is CommonJS and asks for node's own modules by `require`.
    banner: {
      js: "import { createRequire as toolmeterRequire } from 'node:module'; const require = toolmeterRequire(import.meta.url);",
    },
  });
  checkStaticImports(result.metafile);
  const wrap = join(out, 'toolmeter-wrap.js');
  if (!readFileSync(wrap, 'utf8').startsWith('#!')) {
    writeFileSync(wrap, `#!/usr/bin/env node\n${readFileSync(wrap, 'utf8')}`);
  }
  chmodSync(wrap, 0o755);
}

/**
 * What `import 'toolmeter-sdk'` loads is our own code: a package that slips in by some import would be loaded into
 * every server, and `node:sqlite` would end those that run on Node 20.
 */
function checkStaticImports(metafile: Metafile): void {
  const entry = Object.keys(metafile.outputs).find(
    (file) => file.endsWith('dist-sdk/index.js') || file === 'dist-sdk/index.js',
  );
  const seen = new Set<string>();
  const wrong = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const output = metafile.outputs[file];
    for (const [input, { bytesInOutput }] of Object.entries(output?.inputs ?? {}))
      if (input.includes('node_modules/') && bytesInOutput > 0)
        wrong.add(`${file} holds ${packageOf(input)}`);
    for (const { path, kind, external } of output?.imports ?? []) {
      if (kind !== 'import-statement') continue;
      if (external) {
        if (!path.startsWith('node:') || path === 'node:sqlite') wrong.add(`${file} imports ${path}`);
      } else visit(path);
    }
  };
  visit(entry as string);
  if (wrong.size > 0) throw new Error(`toolmeter-sdk loads what it must not:\n${[...wrong].join('\n')}`);
}

/** `@scope/name` or `name` of a file under `node_modules`. */
function packageOf(input: string): string {
  const [first, second] = (input.split('node_modules/').at(-1) as string).split('/');
  return first?.startsWith('@') ? `${first}/${second}` : (first as string);
}

/** Declarations of what the index exports, and of what these refer to. */
function declarations(): void {
  const temporary = mkdtempSync(join(tmpdir(), 'toolmeter-types-'));
  try {
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const project = join(temporary, 'tsconfig.json');
    writeFileSync(
      project,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: {
          noEmit: false,
          declaration: true,
          emitDeclarationOnly: true,
          stripInternal: true,
          outDir: join(temporary, 'types'),
          rootDir: root,
          typeRoots: [join(root, 'node_modules', '@types')],
        },
        include: [],
        files: [join(root, 'collectors', 'sdk', 'index.ts')],
      }),
    );
    const { status, stdout } = spawnSync(tsc, ['-p', project], { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(`no declarations: ${stdout}`);
    copyClosure(join(temporary, 'types'), join(temporary, 'types', 'collectors', 'sdk', 'index.d.ts'));
    writeFileSync(join(out, 'index.d.ts'), "export * from './types/collectors/sdk/index.js';\n");
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function copyClosure(from: string, entry: string): void {
  const todo = [entry];
  const done = new Set<string>();
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (done.has(file)) continue;
    done.add(file);
    const text = readFileSync(file, 'utf8').replaceAll(/(from\s+['"]\.[^'"]+?)\.ts(['"])/g, '$1.js$2');
    for (const [, path] of text.matchAll(/from\s+['"]([^'"]+)['"]/g)) {
      if (!path?.startsWith('.'))
        throw new Error(`${relative(from, file)} refers to ${path}, which users may not have`);
      todo.push(resolve(dirname(file), path.replace(/\.js$/, '.d.ts')));
    }
    const target = join(out, 'types', relative(from, file));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

function packageJson(manifest: Manifest): object {
  return {
    name: 'toolmeter-sdk',
    version: manifest.version,
    description:
      'Meters the calls of an MCP server or client, in one line: the part of Toolmeter that runs beside them.',
    license: manifest.license,
    type: 'module',
    engines: { node: '>=20' },
    bin: { 'toolmeter-wrap': './toolmeter-wrap.js' },
    exports: { '.': { types: './index.d.ts', default: './index.js' }, './package.json': './package.json' },
    files: ['*.js', '*.d.ts', 'chunks', 'types'],
    sideEffects: false,
    peerDependencies: { kafkajs: `^${manifest.dependencies.kafkajs}` },
    peerDependenciesMeta: { kafkajs: { optional: true } },
  };
}

function sizeOf(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = statSync(path);
    bytes += stat.isDirectory() ? sizeOf(path) : stat.size;
  }
  return bytes;
}

const README = `# toolmeter-sdk

Meters an MCP server in one line. Part of the package \`toolmeter\`, without its runtime:
no dependencies, Node 20 and later, both major versions of the MCP TypeScript SDK.

\`\`\`ts
import { meter } from 'toolmeter-sdk';

meter(server); // an McpServer or Server, a factory of them, or the handler that createMcpHandler makes
\`\`\`

Or, without touching the server: \`npx toolmeter-wrap -- COMMAND ARGS\`.

Each call becomes one record, scrubbed of personal data on the spot and kept in a durable spool, which is sent to
\`toolmeter up\` (\`TOOLMETER_URL\`, default on loopback) or to Kafka (\`KAFKA_BROKERS\`, with \`kafkajs\` installed beside
this package). A call never waits for it. \`TOOLMETER_DISABLED=1\` turns it all off.

On Node 20 there is no \`node:sqlite\`: the spool is then memory, and its records say so.
`;

await main();
