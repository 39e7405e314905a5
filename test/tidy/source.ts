import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";

/** A node of the syntax tree (ESTree with TypeScript), as the parser behind vite gives it. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** One parsed file. `path` is from the repository's root: `reconciler/core/ids.ts`. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  /** Every node of the program, parents first, with the node it lies in and the field that holds it. */
  readonly nodes: readonly Place[];
  readonly comments: readonly { readonly value: string; readonly start: number }[];
}

export interface Place {
  readonly node: Node;
  readonly parent: Node | null;
  readonly field: string;
}

/** A breach of a rule: `reconciler/core/ids.ts:3: what is wrong`. */
export type Finding = string;

const IMPORTING = new Set(["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration", "ImportExpression", "TSImportType"]);
const ROOT = join(import.meta.dirname, "../..");

/** The TypeScript files under a folder of the repository, parsed, sorted by path. */
export function readSources(folder: string): readonly Source[] {
  const paths = globSync(`${folder}/**/*.ts`, { cwd: ROOT }).sort();
  return paths.map((path) => parseSource(path, readFileSync(join(ROOT, path), "utf8")));
}

/** Throws when the text is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const root = program as unknown as Node;
  const nodes: Place[] = [];
  collect(root, null, "", nodes);
  return { path, text, program: root, nodes, comments };
}

export function finding(source: Source, offset: number, message: string): Finding {
  return `${source.path}:${lineAt(source, offset)}: ${message}`;
}

/** Line of an offset, from 1. */
export function lineAt(source: Source, offset: number): number {
  return source.text.slice(0, offset).split("\n").length;
}

function collect(value: unknown, parent: Node | null, field: string, nodes: Place[]): void {
  if (Array.isArray(value)) for (const item of value) collect(item, parent, field, nodes);
  if (!isNode(value)) return;
  nodes.push({ node: value, parent, field });
  for (const name in value) if (typeof value[name] === "object") collect(value[name], value, name, nodes);
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

/** Every import and re-export of a file, types included, also `import("...")`. */
export function importsOf(source: Source): { readonly specifier: string; readonly start: number }[] {
  const found: { specifier: string; start: number }[] = [];
  for (const { node } of source.nodes) {
    if (!IMPORTING.has(node.type)) continue;
    const { value } = (isNode(node["source"]) ? node["source"] : {}) as { value?: unknown };
    if (typeof value === "string") found.push({ specifier: value, start: node.start });
  }
  return found;
}

/** Path of the imported file from the root, for a relative specifier. */
export function resolveImport(source: Source, specifier: string): string {
  return join(source.path, "..", specifier);
}
