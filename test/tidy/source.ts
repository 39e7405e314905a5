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
  readonly comments: readonly { readonly value: string; readonly start: number }[];
}

/** A breach of a rule: `reconciler/core/ids.ts:3: what is wrong`. */
export type Finding = string;

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
  return { path, text, program: program as unknown as Node, comments };
}

export function finding(source: Source, offset: number, message: string): Finding {
  return `${source.path}:${lineAt(source, offset)}: ${message}`;
}

/** Line of an offset, from 1. */
export function lineAt(source: Source, offset: number): number {
  return source.text.slice(0, offset).split("\n").length;
}

/** Calls back for every node below (and with) the given one, with the node it lies in and the field that holds it. */
export function walk(node: Node, visit: (node: Node, parent: Node | null, field: string) => void): void {
  step(node, null, "", visit);
}

function step(value: unknown, parent: Node | null, field: string, visit: (node: Node, parent: Node | null, field: string) => void): void {
  if (Array.isArray(value)) for (const item of value) step(item, parent, field, visit);
  if (!isNode(value)) return;
  visit(value, parent, field);
  for (const [name, child] of Object.entries(value)) if (typeof child === "object") step(child, value, name, visit);
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

/** Every import and re-export of a file, types included, also `import("...")`. */
export function importsOf(source: Source): { readonly specifier: string; readonly start: number }[] {
  const found: { specifier: string; start: number }[] = [];
  walk(source.program, (node) => {
    if (!["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration", "ImportExpression", "TSImportType"].includes(node.type))
      return;
    const { value } = (isNode(node["source"]) ? node["source"] : {}) as { value?: unknown };
    if (typeof value === "string") found.push({ specifier: value, start: node.start });
  });
  return found;
}

/** Path of the imported file from the root, for a relative specifier. */
export function resolveImport(source: Source, specifier: string): string {
  return join(source.path, "..", specifier);
}
