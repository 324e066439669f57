/** A process that runs the sink until it is killed: `node sink-child.ts LOG_FILE STORE_FOLDER`. Says `ready` once. */
import { silentLog } from '../../core/log.ts';
import { openEmbeddedLog } from '../../eventlog/embedded/index.ts';
import { openStore } from '../../store/client.ts';
import { migrate } from '../../store/migrate.ts';
import { startSink } from '../../store/sink.ts';

const [path, folder] = process.argv.slice(2);
if (path === undefined || folder === undefined) throw new Error('usage: sink-child.ts LOG_FILE STORE_FOLDER');
const eventLog = await openEmbeddedLog({ path, synchronous: 'NORMAL', leaseMs: 400 });
const store = await openStore({ database: 'toolmeter', path: folder, log: silentLog });
const client = await store.newClient();
await migrate(client, silentLog);
await client.close();
const sink = startSink({ eventLog, store, log: silentLog, lingerMs: 5 });
await sink.ready;
process.stdout.write('ready\n');
