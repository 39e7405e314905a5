/** One kind of trouble a user can meet: shown by code, explained in docs/ERRORS.md (a test proves both equal). */
export interface ErrorEntry {
  /** What happened, one sentence. */
  readonly what: string;
  /** What to do, one or two sentences. */
  readonly fix: string;
}
