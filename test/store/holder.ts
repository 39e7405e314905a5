/**
 * A process (run with --expose-gc) that opens the journal given as its argument and keeps nothing of it but the
 * lock. Prints `held`, or the code and message of the UserError (exit 1).
 */
import { UserError } from "../../reconciler/core/errors/user-error.ts";
import { openJournal } from "../../reconciler/io/store/journal.ts";

try {
  openJournal({ path: process.argv[2]! });
  // The caller may lose the object: the lock must outlive it.
  gc!();
  await new Promise((resolve) => setTimeout(resolve, 10));
  gc!();
  console.log("held");
  setInterval(() => {}, 60_000);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.log(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
