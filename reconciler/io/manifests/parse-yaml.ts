import { Composer, isScalar, Lexer, Parser } from "yaml";
import type { CST } from "yaml";
import { MAX_DOCUMENTS, MAX_NESTING } from "./limits.ts";
import type { Mistake } from "./mistake.ts";
import type { SourceText } from "./source-text.ts";
import { explainYamlError } from "./yaml-errors.ts";
import { structureMistakes, type YamlDocument } from "./yaml-structure.ts";

/** The documents of a text that hold something and have no mistake as YAML, and the mistakes of the others. */
export interface ParsedYaml {
  readonly documents: readonly YamlDocument[];
  readonly mistakes: readonly Mistake[];
}

/** Parses a text within the limits; fills `source.lines`. Never throws. */
export function parseYaml(source: SourceText): ParsedYaml {
  const tokens = readTokens(source);
  if (!Array.isArray(tokens)) return { documents: [], mistakes: [tokens] };
  const documents: YamlDocument[] = [];
  const mistakes: Mistake[] = [];
  // Unique keys are checked with the structure: the library's own check takes quadratic time.
  const composer = new Composer({ stringKeys: true, uniqueKeys: false });
  let count = 0;
  for (const document of composer.compose(tokens)) {
    if (++count > MAX_DOCUMENTS) {
      const message = `the file holds more than ${MAX_DOCUMENTS} documents`;
      mistakes.push({ code: "yaml-too-many-documents", offset: document.range[0], message, hint: "Split it into several files." });
      break;
    }
    const found = documentMistakes(document, source.text);
    mistakes.push(...found);
    if (found.length === 0 && !isEmpty(document)) documents.push(document);
  }
  return { documents, mistakes };
}

/** The tokens of the text, or the mistake of nesting too deeply: here it costs a stack of our own, later it would cost the call stack. */
function readTokens(source: SourceText): CST.Token[] | Mistake {
  const tokens: CST.Token[] = [];
  const parser = new Parser(source.lines.addNewLine);
  source.lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(source.text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The document itself and the value being read are on the stack too.
    if (parser.stack.length > MAX_NESTING + 2) {
      const message = `maps and lists are nested more than ${MAX_NESTING} levels deep`;
      return { code: "yaml-nesting", offset: parser.offset - 1, message, hint: "Close the brackets, or mend the indentation." };
    }
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

/** The first syntax error, as the rest mostly follows from it; else whatever is wrong with the structure. */
function documentMistakes(document: YamlDocument, text: string): readonly Mistake[] {
  const error = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])[0];
  return error === undefined ? structureMistakes(document) : [explainYamlError(error, document, text)];
}

function isEmpty(document: YamlDocument): boolean {
  return document.contents === null || (isScalar(document.contents) && document.contents.value === null);
}
