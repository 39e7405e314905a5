/** What one source of manifests may hold. Far above what people write, far below what hurts the daemon. */

/** Bytes of one file. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Manifest files of one Revision. */
export const MAX_FILES = 10_000;
/** YAML documents of one file. */
export const MAX_DOCUMENTS = 1000;
/** Uses of an anchor (`*name`) in one file. */
export const MAX_ALIASES = 100;
/** Maps and lists inside each other. */
export const MAX_NESTING = 64;
/** Problems listed for one file; the rest is counted. */
export const MAX_PROBLEMS_PER_FILE = 100;
/** Folders inside each other, and entries in all, that a walk of a plain folder looks at. */
export const MAX_FOLDER_DEPTH = 32;
export const MAX_FOLDER_ENTRIES = 200_000;
