/** What a verb's action does with its exit code, once it has one. */
export type Finish = (verb: Promise<number>) => Promise<void>;
