import { isUtf8 } from "node:buffer";
import type { ValidateFunction } from "ajv/dist/2020.js";
import type { Loaded, ManifestProblem } from "../../core/manifests.ts";
import { compareProblems } from "../../core/problems.ts";
import { MAX_FILE_BYTES, MAX_PROBLEMS_PER_FILE } from "./limits.ts";
import { offsetOf, type Path } from "./locate.ts";
import { fileProblem, problemOf, type Mistake } from "./mistake.ts";
import { parseYaml } from "./parse-yaml.ts";
import { readDocument } from "./read-document.ts";
import type { Kind } from "./schemas.ts";
import { codeFrame, createSourceText, positionAt, type SourceText } from "./source-text.ts";
import type { YamlDocument } from "./yaml-structure.ts";

/** What one file holds; documents in the order of the file. */
export interface FileReading {
  readonly documents: readonly { readonly kind: Kind; readonly loaded: Loaded<unknown> }[];
  /** Sorted by line. */
  readonly problems: readonly ManifestProblem[];
}

/** Reads the manifests of one file. Never throws. */
export function readFile(file: string, bytes: Uint8Array, validators: Readonly<Record<Kind, ValidateFunction>>): FileReading {
  const problem = bytesProblem(file, bytes);
  if (problem !== null) return { documents: [], problems: [problem] };
  const source = createSourceText(file, new TextDecoder("utf-8").decode(bytes));
  const parsed = parseYaml(source);
  const syntaxTrees = parsedOnDemand(source);
  const mistakes: Mistake[] = [...parsed.mistakes];
  const documents: { readonly kind: Kind; readonly loaded: Loaded<unknown> }[] = [];
  for (const [number, document] of parsed.documents.entries()) {
    const reading = readDocument(document, validators);
    if (reading.kind === null) mistakes.push(...reading.mistakes);
    else
      documents.push({
        kind: reading.kind,
        loaded: createLoaded(reading.value, source, () => syntaxTrees()[number], offsetOf(document, [])),
      });
  }
  return { documents, problems: listProblems(mistakes, source) };
}

/** The problem of a file that is too large. */
export function sizeProblem(file: string, sizeBytes: number): ManifestProblem {
  return fileProblem(
    "file-too-large",
    file,
    `the file has ${sizeBytes} bytes; allowed: at most ${MAX_FILE_BYTES}`,
    "Split it, or keep it outside the folder of manifests if it is none.",
  );
}

function bytesProblem(file: string, bytes: Uint8Array): ManifestProblem | null {
  if (bytes.length > MAX_FILE_BYTES) return sizeProblem(file, bytes.length);
  if (isUtf8(bytes)) return null;
  return fileProblem("file-encoding", file, "the file is not UTF-8 text", "Save it as UTF-8.");
}

/**
 * A document whose positions are found when somebody asks: only messages do, and the syntax trees of a large
 * fleet would fill the memory.
 */
function createLoaded(manifest: unknown, source: SourceText, syntaxTree: () => YamlDocument | undefined, offset: number): Loaded<unknown> {
  return {
    manifest,
    position: positionAt(source, offset),
    at(path: Path) {
      const document = syntaxTree();
      return positionAt(source, document === undefined ? offset : offsetOf(document, path));
    },
    frame: (position) => codeFrame(source, position),
  };
}

/** The documents of a text, parsed again when asked for, and kept as long as memory is not needed for something else. */
function parsedOnDemand({ file, text }: SourceText): () => readonly YamlDocument[] {
  let kept: WeakRef<readonly YamlDocument[]> | null = null;
  return () => {
    const known = kept?.deref();
    if (known !== undefined) return known;
    const { documents } = parseYaml(createSourceText(file, text));
    kept = new WeakRef(documents);
    return documents;
  };
}

/** Problems with position and frame, in order; the rest of very many is counted. */
function listProblems(mistakes: readonly Mistake[], source: SourceText): readonly ManifestProblem[] {
  const sorted = [...mistakes].sort((a, b) => a.offset - b.offset);
  const listed = sorted.slice(0, MAX_PROBLEMS_PER_FILE).map((mistake) => problemOf(mistake, source));
  const next = sorted[MAX_PROBLEMS_PER_FILE];
  if (next !== undefined) {
    const message = `${sorted.length - MAX_PROBLEMS_PER_FILE} more mistakes from here on; the first of them: ${next.message}`;
    listed.push(problemOf({ ...next, message }, source));
  }
  return listed.sort(compareProblems);
}
