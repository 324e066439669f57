import { readFileSync } from 'node:fs';
import { messageOf, ToolmeterError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { yamlError } from '../../schemas/yaml.ts';
import { openReloaded, type Reloaded } from '../reload.ts';
import { type Directory, EMPTY_DIRECTORY, readDirectory } from './directory.ts';

export { type Attribution, type Directory, EMPTY_DIRECTORY, readDirectory } from './directory.ts';
export type { Subject } from './rules.ts';

/** @throws ToolmeterError TM_DIRECTORY with every problem of the file and its line. */
export function loadDirectory(file: string): Directory {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ToolmeterError(
      'TM_DIRECTORY',
      `${file}: ${messageOf(error)}`,
      'Check the path under `directory`.',
      {
        cause: error,
      },
    );
  }
  const result = readDirectory(bytes, file);
  if (!result.ok)
    throw yamlError('TM_DIRECTORY', file, result.problems, 'See docs/directory.md for the format.');
  return result.directory;
}

/** Every problem of a directory file, for `config check`. */
export function checkDirectoryFile(file: string): { where: string; message: string }[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return [{ where: file, message: messageOf(error) }];
  }
  const result = readDirectory(bytes, file);
  if (result.ok) return [];
  return result.problems.map(({ line, column, path, message }) => ({
    where: `${file}:${line}:${column}`,
    message: path === '' ? message : `${path}: ${message}`,
  }));
}

/**
 * The team directory, following its file; without a file it is empty. While the file is bad, the last good directory
 * stays in use, an error is logged and `status` is not ok. A file that is bad at the start throws.
 */
export function openDirectory(
  file: string | undefined,
  options: { readonly log: Log; readonly debounceMs?: number; readonly pollMs?: number },
): Reloaded<Directory> {
  const files = file === undefined ? [] : [file];
  return openReloaded(files, () => (file === undefined ? EMPTY_DIRECTORY : loadDirectory(file)), {
    ...options,
    name: 'directory',
  });
}
