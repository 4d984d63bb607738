// The table, the filters, and what happens when they are used.

const HEADS = [
  ["rank", "Rank", "number"], ["learner", "Learner", ""], ["task", "Dataset and task", ""], ["score", "Score", "number"], [null, "95% interval", "bar"],
  ["seeds", "Seeds", "number"], ["episodes", "Tasks", "number"], ["parameters", "Parameters", "number"], ["training_seconds", "Training, s", "number"],
  ["task_milliseconds", "ms/task", "number"],
];
const open = new Set();
let shownRows = [], scales = new Map();

function makeHead() {
  const cells = HEADS.map(([key, title, kind]) => {
    const cell = element("th", {scope: "col", class: kind, "data-key": key});
    if (!key) return filled(cell, {}, [title]);
    const button = element("button", {type: "button"}, title, element("span", {class: "arrow", "aria-hidden": "true"}));
    button.addEventListener("click", () => {
      state.down = state.sort === key ? !state.down : DOWN_FIRST.has(key);
      state.sort = key;
      state.page = 0;
      showTable();
    });
    cell.append(button);
    return cell;
  });
  document.querySelector("#table thead").replaceChildren(element("tr", {}, ...cells));
}

// One scale for all rows of a measure that are shown, so that bars compare across rows.
function makeScales(list) {
  scales = new Map();
  for (const measure of unique(list.map((row) => boards[row.board].measure))) {
    const members = list.filter((row) => boards[row.board].measure === measure), board = boards[members[0].board];
    let low = Infinity, high = -Infinity;
    for (const row of members) { low = Math.min(low, row.mean - row.half); high = Math.max(high, row.mean + row.half); }
    scales.set(measure, linear(low, high, 6, 154, 3, board.percent));
  }
  const ends = [...scales.values()].map(({low, high}) => `${tickText(low)} to ${tickText(high)}`);
  document.querySelector("th.bar").replaceChildren("95% interval", element("span", {class: "ends"}, ends.join("; ")));
}

function bar(row) {
  const {scale, ticks} = scales.get(boards[row.board].measure), [from, to] = [scale(row.mean - row.half), scale(row.mean + row.half)];
  return svg("svg", {width: 160, height: 22, viewBox: "0 0 160 22", "aria-hidden": "true"},
    ...ticks.map((tick) => svg("line", {x1: scale(tick), x2: scale(tick), y1: 2, y2: 20, class: "grid"})),
    whisker(from, to, 11, 11, row), whisker(from, from, 8, 14, row), whisker(to, to, 8, 14, row), mark(row, scale(row.mean), 11, tipOf(row), 4));
}

function makeRow(row, first) {
  const board = boards[row.board], isOpen = open.has(row.number);
  const button = element("button", {type: "button", class: "opener", "aria-expanded": String(isOpen), "aria-controls": `details-${row.number}`},
    element("span", {class: "chevron", "aria-hidden": "true"}), element("span", {class: "name"}, row.learner));
  const given = [row.transductive ? "transductive" : null, row.outside_data ? "outside data" : null, row.origin === "own" ? null : row.origin].filter(Boolean);
  const learner = element("th", {scope: "row", class: "learner"}, button, row.settings ? element("span", {class: "settings"}, row.settings) : null,
    element("span", {class: "settings where"}, `${board.dataset}, ${taskOf(board)}`), // in place of its own column on a phone
    given.length ? element("span", {class: "given"}, ...given.map((word) => element("span", {class: "tag"}, word))) : null);
  const made = element("tr", {class: first ? "row first" : "row", id: `row-${row.number}`},
    element("td", {class: "number rank"}, row.rank === null ? "–" : String(row.rank)), learner,
    element("td", {class: "task"}, board.dataset, element("span", {class: "settings"}, taskOf(board))),
    element("td", {class: "number score"}, figure(board, row.mean), element("span", {class: "half"}, ` ± ${figure(board, row.half)}`)),
    element("td", {class: "bar"}, bar(row)),
    element("td", {class: "number"}, String(row.seeds)), element("td", {class: "number"}, row.episodes.toLocaleString("en")),
    element("td", {class: "number"}, row.parameters.toLocaleString("en")), element("td", {class: "number"}, inTable(row.training_seconds)),
    element("td", {class: "number"}, inTable(row.task_milliseconds)));
  made.addEventListener("click", (event) => {
    if (event.target.closest("button") === button || !event.target.closest("button, a")) toggle(row);
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
  if (getSelection().toString() && !open.has(row.number)) return; // the reader is marking text
  const button = document.querySelector(`#row-${row.number} .opener`), shown = byId(`details-${row.number}`);
  if (shown) shown.remove();
  else byId(`row-${row.number}`).after(makeDetails(row));
  if (shown) open.delete(row.number); else open.add(row.number);
  button.setAttribute("aria-expanded", String(!shown));
}

function showTable() {
  const list = sorted(shownRows), pages = Math.max(1, Math.ceil(list.length / PAGE_ROWS));
  state.page = Math.min(state.page, pages - 1);
  const part = list.slice(state.page * PAGE_ROWS, (state.page + 1) * PAGE_ROWS);
  for (const cell of document.querySelectorAll("#table thead th[data-key]")) {
    const down = cell.dataset.key === "score" && shownRows.every((row) => !boards[row.board].moreIsBetter) ? !state.down : state.down;
    cell.setAttribute("aria-sort", cell.dataset.key !== state.sort ? "none" : down ? "descending" : "ascending");
  }
  makeScales(part.length ? part : rows.slice(0, 1));
  byId("table").classList.toggle("one-board", unique(shownRows.map((row) => row.board)).length < 2);
  document.querySelector("#table tbody").replaceChildren(...part.flatMap((row, place) => makeRow(row, state.sort === "rank" && row.board !== part[place - 1]?.board)));
  byId("count").textContent = list.length ? `${several(list.length, "row")} of ${rows.length.toLocaleString("en")}` : "No row fits these filters; Reset shows all.";
  byId("pager").hidden = pages === 1;
  byId("page").textContent = `${(state.page * PAGE_ROWS + 1).toLocaleString("en")} to ${(state.page * PAGE_ROWS + part.length).toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page === pages - 1;
}

// The table follows each key; the plots wait until no more keys come.
let typing = 0;
function showSoon() {
  showAll(false);
  clearTimeout(typing);
  typing = setTimeout(() => drawPlots(shownRows), 150);
}

function showAll(withPlots = true) {
  shownRows = passing();
  state.page = 0;
  for (const name of FILTERS.slice(1)) byId(name).value = state[name];
  for (const button of byId("datasets").children) button.setAttribute("aria-pressed", String(button.dataset.name === state.dataset));
  const about = boards.find((board) => board.dataset === state.dataset);
  byId("about").textContent = !about || about.regression ? "" : `${about.dataset}: classes ${about.classes.train} for training, ${about.classes.validation} for validation, ${about.classes.test} for test (split ${about.split}, test images ${about.test_fingerprint}).`;
  showTable();
  if (withPlots) drawPlots(shownRows);
  writeAddress();
}

function choices(id, values) {
  byId(id).append(element("option", {value: ""}, "any"), ...values.map((value) => element("option", {value}, String(value))));
}

function makeControls() {
  const datasets = unique(boards.map((board) => board.dataset));
  for (const name of datasets.length > 1 ? ["", ...datasets] : datasets) {
    const button = element("button", {type: "button", "data-name": name}, name ? shorten(name, 40) : "All datasets");
    button.addEventListener("click", () => { state.dataset = name; showAll(); });
    byId("datasets").append(button);
  }
  const ascending = (one, other) => one - other;
  choices("ways", unique(boards.filter((board) => !board.regression && board.ways !== null).map((board) => board.ways)).sort(ascending));
  choices("shots", unique(boards.filter((board) => board.shots !== null).map((board) => board.shots)).sort(ascending));
  for (const name of FILTERS.slice(1)) byId(name).addEventListener("input", (event) => { state[name] = event.target.value; (name === "search" ? showSoon : showAll)(); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of FILTERS) state[name] = "";
    showAll();
  });
  byId("cost").addEventListener("change", () => drawPlots(shownRows));
  byId("previous").addEventListener("click", () => { state.page -= 1; showTable(); });
  byId("next").addEventListener("click", () => { state.page += 1; showTable(); });
  addEventListener("hashchange", () => { readAddress(); showAll(); });
}

const THEMES = ["system", "light", "dark"];
function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

function makeTheme() {
  let theme = "system";
  try { theme = THEMES.find((name) => name === localStorage.getItem("metabench-theme")) ?? theme; } catch { /* storage may be forbidden */ }
  showTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    showTheme(theme);
    try { localStorage.setItem("metabench-theme", theme); } catch { /* then it lasts until the page is closed */ }
  });
}

function makeTips() {
  const tip = byId("tip");
  addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("[data-tip]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.tip;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
  });
}

let lastWidth = innerWidth, waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (innerWidth === lastWidth) return;
    lastWidth = innerWidth;
    showTable();
    drawPlots(shownRows);
  }, 120);
});

makeTheme();
makeHead();
makeControls();
makeTips();
readAddress();
showAll();
