// Tables as Markdown, so that one can be kept in docs/ as it was printed.
import Table from "cli-table3";

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    chars: {
      ...{ top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" },
      ...{ "bottom-right": "", left: "|", "left-mid": "", mid: "", "mid-mid": "", right: "|", "right-mid": "" },
      middle: "|",
    },
    style: { head: [], border: [], "padding-left": 1, "padding-right": 1 },
  });
  table.push(...rows.map((row) => [...row]));
  const [first, ...lines] = table.toString().split("\n");
  return [first, first.replaceAll(/[^|]/g, "-"), ...lines].join("\n");
}
