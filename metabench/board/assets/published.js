// Values that papers print: lines of the table without rank, interval or anything else that a record has.

for (const [place, row] of published.entries()) {
  const board = boards[row.board], last = rows.findLast((other) => other.board === row.board);
  Object.assign(row, {
    published: true, number: rows.length + place, place: last.place + 0.5, apart: "", origin: "published",
    text: `${row.learner} ${row.settings} ${row.source} ${board.dataset} ${taskOf(board)} published`.toLowerCase(),
  });
  for (const name of Object.keys(SORTS)) row[name] ??= null;
}

const publishedShown = () => state.published ? [] : passing(published);

function publishedRow(row, first) {
  const board = boards[row.board];
  const given = [row.settings, row.transductive ? "transductive" : null, row.outside_data ? "outside data" : null];
  return element("tr", {class: `row published${first ? " first" : ""}`},
    cell("number rank"),
    element("th", {scope: "row", class: "learner"}, element("span", {class: "name"}, row.learner),
      element("span", {class: "settings"}, given.filter(Boolean).join(", ")),
      element("span", {class: "settings where"}, titleOf(board)),
      element("span", {class: "given"}, element("span", {class: "tag"}, "published"), link(row.url, row.source))),
    cell("task", board.dataset, element("span", {class: "settings"}, taskOf(board))),
    cell("number score", row.printed),
    ...HEADS.slice(4).map(([, , kind]) => cell(kind)));
}
