// The table: its head, its rows, their order and pages.

const HEADS = [
  ["rank", "Rank", "number"], ["learner", "Learner", ""], ["task", "Dataset and task", ""], ["score", "Score", "number"],
  [null, "95% interval", "bar"], ["over_classes", "± classes", "number aside"], ["floor", "Floor", "number aside"],
  ["seeds", "Seeds", "number spare"], ["episodes", "Tasks", "number spare"], ["parameters", "Parameters", "number rare"],
  ["processor_seconds", "Training, CPU s", "number rare"], ["date", "Newest run", "number rare"],
];
const BAR = {width: 150, left: 6, right: 144};
const openRows = new Set();
let shownRows = [];

function makeHead() {
  const cells = HEADS.map(([name, title, kind]) => {
    const cell = element("th", {scope: "col", class: kind, "data-key": name});
    if (!name) return filled(cell, {}, [title, element("span", {class: "ends"}, "a scale for each task")]);
    const arrow = element("span", {class: "arrow", "aria-hidden": "true"});
    const button = element("button", {type: "button"}, title, arrow);
    button.addEventListener("click", () => sortBy(name));
    return filled(cell, {}, [button]);
  });
  document.querySelector("#table thead").replaceChildren(element("tr", {}, ...cells));
}

function sortBy(name) {
  state.down = state.sort === name ? !state.down : DOWN_FIRST.has(name);
  state.sort = name;
  state.page = 0;
  showTable();
  writeAddress();
}

// Values of errors fall where goodness rises.
function showOrder() {
  const errors = shownRows.every((row) => !boards[row.board].moreIsBetter);
  for (const cell of document.querySelectorAll("#table thead th[data-key]")) {
    const down = MEASURED.has(cell.dataset.key) && errors ? !state.down : state.down;
    cell.setAttribute("aria-sort", cell.dataset.key !== state.sort ? "none" : down ? "descending" : "ascending");
  }
}

// One scale for all rows of a board that are shown, so that bars compare where rows do. It is for the intervals alone, as
// the floor has its column: its tick shows where the scale happens to reach it.
function scalesOf(part) {
  const scales = new Map();
  for (const [board, members] of grouped(part, (row) => row.board)) {
    scales.set(board, linear(...ends(members), BAR.left, BAR.right, 5, boards[board].percent));
  }
  return scales;
}

// The first of a board's rows has the ends of the scale above.
function bar(row, scale, withEnds) {
  const y = withEnds ? 24 : 11, height = y + 11;
  const floor = onScale(row, scale) ? scale.scale(row.floor) : null;
  const end = (at, anchor, value) => svg("text", {x: at, y: 10, "text-anchor": anchor, class: "end"}, tickText(value));
  const tick = (value) => svg("line", {x1: scale.scale(value), x2: scale.scale(value), y1: y - 9, y2: y + 9, class: "grid"});
  return svg("svg", {width: BAR.width, height, viewBox: `0 0 ${BAR.width} ${height}`, "aria-hidden": "true"},
    ...scale.ticks.map(tick),
    ...(withEnds ? [end(BAR.left, "start", scale.low), end(BAR.right, "end", scale.high)] : []),
    floor === null ? null : floorTick(floor, floor, y - 5, y + 5),
    ...interval(row, scale.scale, y));
}

const inTable = (value) => value < 100 ? value.toFixed(1) : compact(value);
const cell = (kind, ...content) => element("td", {class: kind}, ...content);
const counted = (kind, value) => cell(`number ${kind}`, value.toLocaleString("en"));

function nameCell(row, board, button) {
  const given = [
    row.transductive ? "transductive" : null, row.outside_data ? "outside data" : null,
    row.test_classes === "yes" ? "test classes in it" : null,
    row.origin === "own" ? null : row.origin, row.chosen,
  ].filter(Boolean);
  const settings = [row.settings, row.apart].filter(Boolean).join(" "), paper = paperOf(row);
  return element("th", {scope: "row", class: "learner"}, button,
    settings ? element("span", {class: "settings"}, settings) : null,
    element("span", {class: "settings where"}, titleOf(board)), // in place of its own column on a phone
    given.length || paper ? element("span", {class: "given"}, ...given.map((word) => element("span", {class: "tag"}, word)), paper) : null);
}

// The floor has its own column; on a phone that is out of sight, and it stands below the score.
function scoreCell(row, board) {
  return cell("number score", figure(board, row.mean), " ", element("span", {class: "half"}, spread(board, row)),
    row.floor === null ? null : element("span", {class: "below"}, `floor ${figure(board, row.floor)}`));
}

// Of a row: what stands before it in the part that is shown, and the scale of its board.
function makeRow(row, before, scale) {
  const board = boards[row.board], isOpen = openRows.has(row.number), another = row.board !== before?.board;
  const first = state.sort === "rank" && another;
  if (row.published) return [publishedRow(row, first)];
  const button = element("button", {
    type: "button", class: "opener", "aria-expanded": String(isOpen), "aria-controls": `details-${row.number}`,
  }, element("span", {class: "chevron", "aria-hidden": "true"}),
  element("span", {}, element("span", {class: "name"}, row.learner), " ", key(row))); // the mark wraps before a name breaks
  const made = element("tr", {class: first ? "row first" : "row", id: `row-${row.number}`},
    cell("number rank", row.rank === null ? "–" : String(row.rank), pickBox(row)),
    nameCell(row, board, button),
    cell("task", board.dataset, element("span", {class: "settings"}, taskOf(board))),
    scoreCell(row, board),
    cell("bar", bar(row, scale, another)),
    cell("number aside", row.over_classes === null ? "" : figure(board, row.over_classes)),
    cell("number aside", row.floor === null ? "" : figure(board, row.floor)),
    counted("spare", row.seeds), counted("spare", row.episodes), counted("rare", row.parameters),
    cell("number rare", row.processor_seconds === null ? "" : inTable(row.processor_seconds)), cell("number rare", row.date));
  made.addEventListener("click", (event) => {
    if (event.target.closest("button") === button || !event.target.closest("button, a, input")) toggle(row);
  });
  return isOpen ? [made, makeDetails(row)] : [made];
}

function makeDetails(row) {
  const width = Math.min(byId("scroll").clientWidth, 1180);
  const panelOf = detailsPanel(row, width);
  panelOf.style.width = `${width}px`;
  return element("tr", {class: "opened", id: `details-${row.number}`}, element("td", {colspan: HEADS.length}, panelOf));
}

function toggle(row) {
  if (getSelection().toString() && !openRows.has(row.number)) return; // the reader is marking text
  const button = document.querySelector(`#row-${row.number} .opener`), shown = byId(`details-${row.number}`);
  if (shown) shown.remove();
  else byId(`row-${row.number}`).after(makeDetails(row));
  if (shown) openRows.delete(row.number);
  else openRows.add(row.number);
  button.setAttribute("aria-expanded", String(!shown));
  writeAddress();
}

function showTable() {
  const printed = publishedShown(), list = sorted([...shownRows, ...printed]), pages = Math.max(1, Math.ceil(list.length / PAGE_ROWS));
  state.page = Math.min(state.page, pages - 1);
  const first = state.page * PAGE_ROWS, part = list.slice(first, first + PAGE_ROWS), scales = scalesOf(part.filter((row) => !row.published));
  showOrder();
  byId("table").classList.toggle("one-board", unique(shownRows.map((row) => row.board)).length < 2);
  document.querySelector("#table tbody").replaceChildren(
    ...part.flatMap((row, place) => makeRow(row, part[place - 1], scales.get(row.board))));
  const beside = printed.length ? `, and ${several(printed.length, "published value")}` : "";
  showPicked();
  byId("count").textContent = list.length ? `${several(shownRows.length, "row")} of ${rows.length.toLocaleString("en")}${beside}`
    : "No row fits these filters; Reset shows all.";
  const [from, to, all] = [first + 1, first + part.length, list.length].map((number) => number.toLocaleString("en"));
  byId("pager").hidden = pages === 1;
  byId("page").textContent = `${from} to ${to} of ${all}`;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page === pages - 1;
}
