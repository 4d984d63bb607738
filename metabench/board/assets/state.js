// What the page shows: the rows as they were embedded, the filters and the order.

const {boards, rows, published, sources, averageRanks} = JSON.parse(byId("summary").textContent);
const PAGE_ROWS = 50;
const FILTERS = ["dataset", "search", "ways", "shots", "transductive", "outside_data", "test_classes"];
const state = {
  dataset: "", search: "", ways: "", shots: "", transductive: "", outside_data: "", test_classes: "",
  published: "", sort: "rank", down: false, page: 0,
};

function nameOf(row) {
  return [row.learner, row.settings, row.apart, row.origin === "unverified" ? "(unverified)" : ""]
    .filter(Boolean).join(" ");
}

rows.forEach((row, number) => {
  const board = boards[row.board];
  row.number = row.place = number;
  row.text = `${nameOf(row)} ${board.dataset} ${board.split} ${taskOf(board)}`.toLowerCase();
});

// Of these rows those that pass the filters, in their own order: board by board, the best first.
function passing(list) {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter((row) => {
    const board = boards[row.board];
    return (!state.dataset || board.dataset === state.dataset)
      && (!state.ways || board.ways === Number(state.ways))
      && (!state.shots || board.shots === Number(state.shots))
      && (!state.transductive || String(row.transductive) === state.transductive)
      && (!state.outside_data || String(row.outside_data) === state.outside_data)
      && (!state.test_classes || row.test_classes === state.test_classes)
      && words.every((word) => row.text.includes(word));
  });
}

// Of a value in the row's metric: the worse, the less.
const goodness = (row, value) => boards[row.board].moreIsBetter ? value : -1e6 - value;

const SORTS = {
  rank: (row) => row.place,
  learner: (row) => nameOf(row),
  task: (row) => row.board,
  score: (row) => goodness(row, row.mean),
  over_classes: (row) => row.over_classes,
  floor: (row) => row.floor === null ? null : goodness(row, row.floor),
  seeds: (row) => row.seeds,
  episodes: (row) => row.episodes,
  parameters: (row) => row.parameters,
  processor_seconds: (row) => row.processor_seconds,
  date: (row) => row.date,
};
const MEASURED = new Set(["score", "floor"]);
const DOWN_FIRST = new Set([...MEASURED, "seeds", "episodes", "date"]);

// Rows in the chosen order; those without the figure come last, whichever way it goes.
function sorted(list) {
  const key = SORTS[state.sort], way = state.down ? -1 : 1;
  const keyed = list.map((row) => [key(row), row]);
  keyed.sort(([one, first], [other, second]) => {
    if (one === other) return first.number - second.number;
    if (one === null || other === null) return one === null ? 1 : -1;
    return one < other ? -way : way;
  });
  return keyed.map(([, row]) => row);
}
