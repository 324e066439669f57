import { join } from 'node:path';
import type { Home } from '../core/home.ts';
import type { Settings } from './settings.ts';

/** Where a home folder keeps the keys of the gateway's callers, unless the configuration says otherwise. */
export const callerKeysFile = ({ config }: Settings, home: Home): string =>
  config.gateway.keys_file ?? join(home.path, 'gateway-keys.json');
