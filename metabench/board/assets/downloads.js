// What the filters leave as files: the columns of leaderboard.csv, and tables for LaTeX, both as metabench wrote them.

let fileParts = null;

function textOf(kind) {
  fileParts ??= JSON.parse(byId("files").textContent);
  const {csv, latex, preamble} = fileParts;
  if (kind === "csv") return `${[csv[0], ...shownRows.map((row) => csv[row.number + 1])].join("\n")}\n`;
  const tables = [...grouped(shownRows, (row) => row.board)].map(([board, members]) => {
    const {head, foot, first, lines} = latex[board];
    return [head, ...members.map((row) => lines[row.number - first]), foot].join("\n");
  });
  return `${[preamble, ...tables].join("\n\n")}\n`;
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  element("a", {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function makeDownloads() {
  for (const [kind, type, name] of [["csv", "text/csv", "leaderboard.csv"], ["latex", "application/x-tex", "leaderboard.tex"]]) {
    byId(`download-${kind}`).addEventListener("click", () => download(name, type, textOf(kind)));
  }
}
