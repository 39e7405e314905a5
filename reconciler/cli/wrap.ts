import { textWidth } from "./table.ts";

/** Breaks a sentence at spaces so that it fits; following lines are indented by two. Words are never cut. */
export function wrap(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (textWidth(longer) > width && line !== "") {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = longer;
    }
  }
  return [...lines, line].join("\n");
}
