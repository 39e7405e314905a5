import { isCollection, isScalar, visit } from "yaml";
import type { ErrorCode, Node, YAMLError } from "yaml";
import type { Mistake } from "./mistake.ts";
import type { YamlDocument } from "./yaml-structure.ts";

type Explanation = readonly [message: string, hint: string];

/** What a parser's error means, in words for somebody who does not know the grammar of YAML. */
export function explainYamlError(error: YAMLError, document: YamlDocument, text: string): Mistake {
  const [message, hint] = EXPLANATIONS[error.code]?.(error, text) ?? [lowerFirst(error.message), ""];
  const feature = error.code === "NON_STRING_KEY" || error.code === "TAG_RESOLVE_FAILED" || error.code === "BAD_COLLECTION_TYPE";
  return { code: feature ? "yaml-feature" : "yaml-syntax", offset: offsetOf(error, document, text), message, hint };
}

/** Where the mistake is: for something that is not closed where it was opened, not where the parser noticed. */
function offsetOf(error: YAMLError, document: YamlDocument, text: string): number {
  const end = text.slice(0, error.pos[0]).trimEnd().length;
  const isOpen = opened(error.message);
  let offset = Math.min(error.pos[0], text.trimEnd().length);
  if (isOpen === null) return offset;
  visit(document, {
    Node(_key, node) {
      const [start, valueEnd] = node.range ?? [0, 0];
      if (start < error.pos[0] && valueEnd >= end && isOpen(node)) offset = start;
    },
  });
  return offset;
}

/** What kind of thing is not closed by the parser's words; null: it is another error. */
function opened(said: string): ((node: Node) => boolean) | null {
  if (/^Missing closing .quote/.test(said))
    return (node) => isScalar(node) && (node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE");
  return UNCLOSED.test(said) ? (node) => isCollection(node) && node.flow === true : null;
}

const UNCLOSED = /end with an? ([\]}])/;

const EXPLANATIONS: Partial<Record<ErrorCode, (error: YAMLError, text: string) => Explanation>> = {
  TAB_AS_INDENT: () => ["a tab is used for indentation; YAML allows only spaces", "Replace the tab by spaces."],
  BAD_SCALAR_START: (error, text) => [
    `a text can't start with \`${text.charAt(error.pos[0])}\` unless it is quoted`,
    "Put the text in quotes.",
  ],
  BAD_DQ_ESCAPE: (error, text) => [
    `\`${text.slice(error.pos[0], error.pos[0] + 2)}\` is no escape sequence of a text in double quotes`,
    "Write `\\\\` for a backslash, or use single quotes.",
  ],
  BLOCK_AS_IMPLICIT_KEY: () => [
    "a value and a `key: value` can't stand together here",
    "Start a map on its own line, indented below its key; put a text that holds `: ` in quotes.",
  ],
  MULTILINE_IMPLICIT_KEY: () => [
    "this is not a field: the colon after the key, or the space after the colon, is missing",
    "Write `key: value`.",
  ],
  NON_STRING_KEY: () => [
    "a map or list is used as a key; keys are plain texts",
    "Templates such as {{ name }} are not filled in: write the value itself, or quote the text.",
  ],
  TAG_RESOLVE_FAILED: () => ["tags such as `!name` are not supported in manifests", "Write the plain value without the tag."],
  UNEXPECTED_TOKEN: () => ["what stands here does not fit after the value before it", "Quote the whole text, or start a new line."],
  BAD_INDENT: (error) => explainIndent(error.message),
  MISSING_CHAR: (error) => explainMissing(error.message),
};

function explainIndent(said: string): Explanation {
  const close = UNCLOSED.exec(said)?.[1];
  if (close !== undefined) return [`a \`${close === "]" ? "[" : "{"}\` is not closed`, `Close it with \`${close}\`.`];
  return [
    "the indentation of this line fits none of the lines above",
    "Fields of one map, and items of one list, start in the same column.",
  ];
}

function explainMissing(said: string): Explanation {
  const quote = /^Missing closing (.)quote/.exec(said)?.[1];
  if (quote !== undefined) return [`a text in ${quote === '"' ? "double" : "single"} quotes is not closed`, `Close it with \`${quote}\`.`];
  if (said.startsWith("Implicit map keys"))
    return ["this is not a field: it has no colon", "Write `key: value`, or indent the line if it belongs to the value above."];
  return [lowerFirst(said), ""];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
