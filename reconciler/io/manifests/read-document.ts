import type { ValidateFunction } from "ajv/dist/2020.js";
import { suggest } from "../../core/suggest.ts";
import { offsetOf, placeOf } from "./locate.ts";
import type { Mistake } from "./mistake.ts";
import { schemaMistakes } from "./schema-mistakes.ts";
import { KINDS, type Kind } from "./schemas.ts";
import { shorten } from "./shorten.ts";
import type { YamlDocument } from "./yaml-structure.ts";

/** What people write who come from elsewhere. */
const FOREIGN_KINDS: Readonly<Record<string, Kind>> = {
  Deployment: "Set",
  StatefulSet: "Set",
  ReplicaSet: "Set",
  DaemonSet: "Set",
  Pod: "Set",
  Service: "Set",
  Job: "Set",
  Node: "HostPool",
  NodePool: "HostPool",
  Pool: "HostPool",
  Host: "HostPool",
};

export type DocumentReading =
  | { readonly kind: Kind; readonly value: unknown }
  | { readonly kind: null; readonly mistakes: readonly Mistake[] };

/** The manifest a document holds, or what is wrong with it. */
export function readDocument(document: YamlDocument, validators: Readonly<Record<Kind, ValidateFunction>>): DocumentReading {
  const value = document.toJS({ maxAliasCount: -1 }) as unknown;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refused(notAMap(value, document));
  const kind = (value as { readonly kind?: unknown }).kind;
  if (!isKind(kind)) return refused(unknownKind(kind, document));
  const mistakes = schemaMistakes(kind, validators[kind], value, document);
  return mistakes.length === 0 ? { kind, value } : { kind: null, mistakes };
}

function isKind(kind: unknown): kind is Kind {
  return KINDS.some((known) => known === kind);
}

function refused(mistake: Mistake): DocumentReading {
  return { kind: null, mistakes: [mistake] };
}

function notAMap(value: unknown, document: YamlDocument): Mistake {
  const message = `the document is ${Array.isArray(value) ? "a list" : "a single value"}; a manifest is a map with apiVersion, kind, metadata and spec`;
  return {
    code: "manifest-not-a-map",
    offset: offsetOf(document, []),
    message,
    hint: "Keep other YAML files outside the folder of manifests.",
  };
}

function unknownKind(kind: unknown, document: YamlDocument): Mistake {
  const offset = offsetOf(document, ["kind"]);
  const allowed = `allowed: ${KINDS.join(", ")}`;
  if (kind === undefined) {
    const field = placeOf(document, []).keyOffset;
    return {
      code: "manifest-kind",
      offset: field,
      message: `the document lacks \`kind\`; ${allowed}`,
      hint: "Keep other YAML files outside the folder of manifests.",
    };
  }
  const shown = typeof kind === "string" ? JSON.stringify(shorten(kind)) : "not text";
  return { code: "manifest-kind", offset, message: `kind is ${shown}; ${allowed}`, hint: typeof kind === "string" ? kindHint(kind) : "" };
}

function kindHint(kind: string): string {
  if (Object.hasOwn(FOREIGN_KINDS, kind)) return `The closest to it here is \`${FOREIGN_KINDS[kind]}\`.`;
  const near = kind.length > 40 ? null : suggest(kind, KINDS);
  return near === null ? "Keep other YAML files outside the folder of manifests." : `Did you mean \`${near}\`?`;
}
