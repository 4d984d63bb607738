"use strict";
// What the page shows: the rows as they were embedded, the filters, and small helpers. All text is written as text.

const {boards, rows, averageRanks} = JSON.parse(document.getElementById("summary").textContent);
const PAGE_ROWS = 50;
const FILTERS = ["dataset", "search", "ways", "shots", "transductive", "outside_data"];
const state = {dataset: "", search: "", ways: "", shots: "", transductive: "", outside_data: "", sort: "rank", down: false, page: 0};

const byId = (id) => document.getElementById(id);
const several = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const unique = (values) => [...new Set(values)];
const nameOf = (row) => [row.learner, row.settings, row.origin === "unverified" ? "(unverified)" : ""].filter(Boolean).join(" ");
const shorten = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function figure(board, value) {
  return Math.abs(value) >= 1e6 ? value.toExponential(2) : value.toFixed(board.digits);
}

function compact(value) {
  return value >= 1e4 ? new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 1}).format(value)
    : value.toLocaleString("en", {maximumFractionDigits: value < 100 ? 1 : 0});
}

const inTable = (value) => value < 100 ? value.toFixed(1) : compact(value);

function taskOf(board) {
  const numbers = board.ways === null ? null : board.regression ? `${board.shots} shots` : `${board.ways}-way ${board.shots}-shot`;
  return [numbers, board.task].filter(Boolean).join(", "); // where tasks vary there are no numbers
}

const unit = (board) => board.percent ? `${board.measure}, %` : board.measure;

// The rows that pass the filters, in their own order: board by board, the best first.
function passing() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const board = boards[row.board];
    return (!state.dataset || board.dataset === state.dataset)
      && (!state.ways || board.ways === Number(state.ways))
      && (!state.shots || board.shots === Number(state.shots))
      && (!state.transductive || String(row.transductive) === state.transductive)
      && (!state.outside_data || String(row.outside_data) === state.outside_data)
      && words.every((word) => row.text.includes(word));
  });
}

const SORTS = {
  rank: (row) => row.number,
  learner: (row) => nameOf(row),
  task: (row) => row.board,
  score: (row) => boards[row.board].moreIsBetter ? row.mean : -1e6 - row.mean, // the worse, the less
  seeds: (row) => row.seeds,
  episodes: (row) => row.episodes,
  parameters: (row) => row.parameters,
  training_seconds: (row) => row.training_seconds,
  task_milliseconds: (row) => row.task_milliseconds,
};

const DOWN_FIRST = new Set(["score", "seeds", "episodes"]);

function sorted(list) {
  const key = SORTS[state.sort], way = state.down ? -1 : 1;
  const keyed = list.map((row) => [key(row), row]);
  keyed.sort(([one, first], [other, second]) => (one < other ? -way : one > other ? way : first.number - second.number));
  return keyed.map(([, row]) => row);
}

rows.forEach((row, number) => {
  const board = boards[row.board];
  row.number = number;
  row.text = `${nameOf(row)} ${board.dataset} ${board.split} ${taskOf(board)}`.toLowerCase();
});

// The filters stand in the address after #, so that a view can be sent on.
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) state[name] = asked.get(name) ?? "";
  if (!boards.some((board) => board.dataset === state.dataset)) state.dataset = "";
}

function writeAddress() {
  const said = new URLSearchParams(FILTERS.filter((name) => state[name]).map((name) => [name, state[name]]));
  history.replaceState(null, "", `#${said}`);
}
