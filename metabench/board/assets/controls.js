// The filters, the address that keeps them, the theme; and the page's beginning.

const SELECTS = ["ways", "shots", "transductive", "outside_data", "test_classes"];

// Filters, order and opened rows stand in the address after #, so that a view can be sent on. What is no choice of this
// page is left out.
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) state[name] = asked.get(name) ?? "";
  for (const name of SELECTS) {
    if (![...byId(name).options].some((option) => option.value === state[name])) state[name] = "";
  }
  if (!boards.some((board) => board.dataset === state.dataset)) state.dataset = "";
  state.published = asked.get("published") === "no" ? "no" : "";
  const order = asked.get("sort") ?? "";
  state.sort = Object.hasOwn(SORTS, order) ? order : "rank";
  state.down = state.sort === order && asked.get("down") === "1";
  picked.splice(0, picked.length, ...unique(asked.getAll("pick").map(Number)).filter((number) => rows[number]).slice(0, MOST_PICKED));
  openRows.clear();
  for (const number of asked.getAll("open").map(Number)) if (rows[number]) openRows.add(number);
}

function writeAddress() {
  const said = new URLSearchParams(FILTERS.filter((name) => state[name]).map((name) => [name, state[name]]));
  if (state.published) said.set("published", state.published);
  if (state.sort !== "rank" || state.down) said.set("sort", state.sort);
  if (state.down) said.set("down", "1");
  for (const number of openRows) said.append("open", number);
  for (const number of picked) said.append("pick", number);
  try {
    history.replaceState(null, "", `#${said}`);
  } catch { /* in another page's frame it may be forbidden */ }
}

// The table follows each key; the plots wait until no more keys come.
let typing = 0;
function showSoon() {
  showAll(false);
  clearTimeout(typing);
  typing = setTimeout(() => drawPlots(shownRows), 150);
}

function showAll(withPlots = true) {
  shownRows = passing(rows);
  state.page = 0;
  byId("published").checked = !state.published;
  for (const name of FILTERS.slice(1)) byId(name).value = state[name];
  for (const button of byId("datasets").children) {
    button.setAttribute("aria-pressed", String(button.dataset.name === state.dataset));
  }
  byId("about").textContent = about(boards.find((board) => board.dataset === state.dataset));
  showTable();
  drawMatrix(shownRows);
  if (withPlots) drawPlots(shownRows);
  writeAddress();
}

function about(board) {
  if (!board || board.regression) return "";
  const {train, validation, test} = board.classes;
  return `${board.dataset}: classes ${train} for training, ${validation} for validation, ${test} for test `
    + `(split ${board.split}, test data ${board.test_fingerprint}).`;
}

function choices(id, values) {
  const sortedValues = unique(values).sort((one, other) => one - other);
  byId(id).append(element("option", {value: ""}, "any"),
    ...sortedValues.map((value) => element("option", {value}, String(value))));
}

function makeDatasets() {
  const datasets = unique(boards.map((board) => board.dataset));
  for (const name of datasets.length > 1 ? ["", ...datasets] : datasets) {
    const button = element("button", {type: "button", "data-name": name}, name ? shorten(name, 40) : "All datasets");
    button.addEventListener("click", () => {
      state.dataset = name;
      showAll();
    });
    byId("datasets").append(button);
  }
}

function makeFilters() {
  choices("ways", boards.filter((board) => !board.regression && board.ways !== null).map((board) => board.ways));
  choices("shots", boards.filter((board) => board.shots !== null).map((board) => board.shots));
  for (const name of FILTERS.slice(1)) {
    byId(name).addEventListener("input", (event) => {
      state[name] = event.target.value;
      if (name === "search") showSoon();
      else showAll();
    });
  }
  byId("published").parentElement.hidden = !published.length;
  byId("published").addEventListener("change", (event) => {
    state.published = event.target.checked ? "" : "no";
    showAll(false);
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of [...FILTERS, "published"]) state[name] = "";
    showAll();
  });
  byId("cost").value = Object.keys(COSTS).find((cost) => rows.some((row) => row[cost] !== null)) ?? "parameters";
  byId("cost").addEventListener("change", () => drawPlots(shownRows));
  addEventListener("hashchange", () => {
    readAddress();
    showAll();
  });
}

function makePager() {
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    byId(id).addEventListener("click", () => {
      state.page += step;
      showTable();
    });
  }
}

const THEMES = ["system", "light", "dark"];

function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

function makeTheme() {
  let theme = "system";
  try {
    theme = THEMES.find((name) => name === localStorage.getItem("metabench-theme")) ?? theme;
  } catch { /* storage may be forbidden */ }
  showTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    showTheme(theme);
    try {
      localStorage.setItem("metabench-theme", theme);
    } catch { /* then it lasts until the page is closed */ }
  });
}

let lastWidth = innerWidth, waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (innerWidth === lastWidth) return;
    lastWidth = innerWidth;
    showTable();
    drawMatrix(shownRows);
    drawPlots(shownRows);
  }, 120);
});

makeTheme();
makeHead();
makeDatasets();
makeFilters();
makePager();
makeMatrixPager();
makeDownloads();
makePicked();
makeTips();
readAddress();
showAll();
