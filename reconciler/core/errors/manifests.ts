import type { ErrorEntry } from "./entry.ts";

/** Mistakes in one manifest file, and files and folders that can't be read as manifests. */
export const MANIFEST_ERRORS = {
  "yaml-syntax": {
    what: "The file is not well-formed YAML.",
    fix: "Mend the line the message points to: mostly its indentation, a missing colon, quote or bracket. An editor with yaml-language-server shows it while you type.",
  },
  "yaml-duplicate-key": {
    what: "A map has the same key twice.",
    fix: "Remove one of them. Two objects in one file are separated by a line `---`.",
  },
  "yaml-alias": {
    what: "A YAML anchor or alias is used in a way that is not allowed: unknown, inside itself, nested or too often.",
    fix: "Write the value out where it is needed.",
  },
  "yaml-feature": {
    what: "The file uses a part of YAML that manifests do not have: a tag, a merge key, another YAML version, a key that is no text.",
    fix: "Write plain maps, lists and values.",
  },
  "yaml-nesting": {
    what: "Maps and lists are nested more deeply than any manifest needs.",
    fix: "Close the brackets or mend the indentation.",
  },
  "yaml-too-many-documents": {
    what: "One file holds too many YAML documents.",
    fix: "Split it into several files.",
  },
  "manifest-not-a-map": {
    what: "A YAML document is a list or a single value instead of a manifest.",
    fix: "Start each document with apiVersion, kind, metadata and spec; keep other YAML files outside the folder or in a folder whose name starts with a dot.",
  },
  "manifest-kind": {
    what: "The document's `kind` is missing or not one of HostPool, Policy, Set.",
    fix: "Write one of these kinds; keep other YAML files outside the folder or in a folder whose name starts with a dot.",
  },
  "manifest-unknown-field": {
    what: "A field is not known at this place.",
    fix: "Use one of the fields the message lists; look at the indentation if the field is right but stands in the wrong map.",
  },
  "manifest-missing-field": {
    what: "A field that must be there is missing.",
    fix: "Add it; the hint says what it means.",
  },
  "manifest-choice": {
    what: "Of several fields exactly one (or at least one) must be written, and none or more than one is.",
    fix: "Write exactly what the message asks for.",
  },
  "manifest-type": {
    what: "A value is of another type than the field takes: text, number, true or false, list or map.",
    fix: "Write the type the message names. Numbers and true/false that are meant as text need quotes.",
  },
  "manifest-value": {
    what: "A value is not one of those the field takes, not in the form it takes, or out of range.",
    fix: "Write a value as the message describes it.",
  },
  "manifest-empty": {
    what: "The folder or repository holds no manifests at all, which is taken for a mistake and not for the wish to remove everything.",
    fix: "Check the folder and branch; to remove everything on purpose, keep the HostPools and remove the Sets.",
  },
  "manifest-too-many": {
    what: "The folder or repository holds more files than are read.",
    fix: "Point Setpoint at the folder that holds the manifests, or put several objects into one file.",
  },
  "file-too-large": {
    what: "A manifest file is larger than the limit.",
    fix: "Split it, or keep it outside the folder if it is no manifest.",
  },
  "file-encoding": {
    what: "A manifest file is not UTF-8 text.",
    fix: "Save it as UTF-8.",
  },
  "file-unreadable": {
    what: "A file or folder of manifests can't be read.",
    fix: "Give the user that runs Setpoint the right to read it, or mend the disk.",
  },
  "file-not-regular": {
    what: "Something named like a manifest is not a regular file: a folder, pipe, socket or device.",
    fix: "Remove or rename it.",
  },
  "file-symlink": {
    what: "A symbolic link points nowhere or out of the folder of manifests.",
    fix: "Put the file itself in place of the link.",
  },
  "folder-missing": {
    what: "The folder of manifests does not exist or is not a folder.",
    fix: "Mend the path.",
  },
} as const satisfies Record<string, ErrorEntry>;
