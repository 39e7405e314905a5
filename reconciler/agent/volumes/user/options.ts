import { parseBytes } from "../../../core/units.ts";

/** What `docker volume create -o KEY=VALUE` asked for. */
export type WantedVolume =
  | { readonly kind: "new"; readonly size: { readonly sizeBytes: number; readonly filesystem: "ext4" | "xfs" } }
  /** Out of the trash. */
  | { readonly kind: "restored"; readonly trashId: string };

const ALLOWED = "size=10Gi, filesystem=ext4|xfs, or restore=ID of an entry of the trash";

/** Throws for options that it does not know or that are no sizes, with what is allowed. */
export function readOptions(options: Readonly<Record<string, string>>): WantedVolume {
  const { size, filesystem = "ext4", restore, ...unknown } = options;
  const [other] = Object.keys(unknown);
  if (other !== undefined) throw new Error(`there is no option ${other}; allowed: ${ALLOWED}`);
  if (restore !== undefined) {
    if (size !== undefined || options["filesystem"] !== undefined)
      throw new Error("restore=ID brings size and file system along: give it alone");
    // As people see it the entry's host stands before it.
    return { kind: "restored", trashId: restore.slice(restore.lastIndexOf("/") + 1) };
  }
  if (size === undefined) throw new Error("say how large the volume is to be: -o size=10Gi");
  const sizeBytes = parseBytes(size);
  if (sizeBytes === null || sizeBytes <= 0) throw new Error(`${size} is no size; write it as 500Mi, 10Gi or 1Ti`);
  if (filesystem !== "ext4" && filesystem !== "xfs") throw new Error(`there is no file system ${filesystem}; allowed: ext4, xfs`);
  return { kind: "new", size: { sizeBytes, filesystem } };
}
