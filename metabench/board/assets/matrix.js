// All learners by all boards that the filters leave: what each scored where, and its average rank.

const ranksOf = (row) => row.rank === null ? null : row.rank.match(/\d+/g).slice(0, 2).map(Number);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Of one learner's rows: the mean of its ranks' middles, and of their ends. Null where it has no rank.
function averageRank(own) {
  const ranks = own.map(ranksOf).filter(Boolean).map((ends) => [ends[0], ends.at(-1)]);
  if (!ranks.length) return null;
  const [low, high] = [0, 1].map((end) => meanOf(ranks.map((ends) => ends[end])));
  return {mean: (low + high) / 2, low, high, boards: ranks.length};
}

// Learners with an average rank first, the best on top; then those on most boards.
function matrixLines(list) {
  const lines = [...grouped(list, (row) => row.line).values()].map((own) => ({own, rank: averageRank(own)}));
  return lines.sort((one, other) => (one.rank?.mean ?? Infinity) - (other.rank?.mean ?? Infinity)
    || other.own.length - one.own.length || one.own[0].number - other.own[0].number);
}

function matrixHead(board) {
  const button = element("button", {type: "button", title: "Show these tasks alone"}, board.dataset,
    element("span", {class: "settings"}, taskOf(board).replaceAll("-", "\u2011"))); // which does not end a line
  button.addEventListener("click", () => {
    state.dataset = board.dataset;
    for (const name of ["ways", "shots"]) state[name] = board[name] === null ? "" : String(board[name]);
    showAll();
  });
  return element("th", {scope: "col"}, button);
}

function matrixName({own: [row]}) {
  const button = element("button", {type: "button", title: "Search for this learner"}, row.learner);
  button.addEventListener("click", () => {
    state.search = nameOf(row);
    showAll();
  });
  const settings = [row.settings, row.apart].filter(Boolean).join(" ");
  return element("th", {scope: "row"}, button, settings ? element("span", {class: "settings"}, settings) : null);
}

// Bold is the best, and what is not significantly worse; where no rank tells, the best mean alone.
function matrixCell(row, best) {
  if (!row) return element("td", {});
  const board = boards[row.board], ranks = ranksOf(row), leads = ranks ? ranks[0] === 1 : row === best;
  const said = `${figure(board, row.mean)} ${spread(board, row)}${row.rank === null ? "" : `, rank ${row.rank}`}`;
  return element("td", {class: leads ? "leads" : null, title: said}, figure(board, row.mean));
}

// Widths in pixels. Tasks that the frame has no room for are on the matrix's next pages, so that nothing lies beside it.
const MATRIX = {lines: 60, learner: [120, 250], average: [72, 130], task: [80, 84], narrow: 640};
let matrixPage = 0;

function matrixSize(frame, tasks) {
  const wide = frame > MATRIX.narrow ? 1 : 0, average = MATRIX.average[wide];
  const least = wide ? 190 : MATRIX.learner[0], task = MATRIX.task[wide];
  const count = Math.min(tasks, Math.max(1, Math.floor((frame - least - average) / task)));
  const learner = Math.min(MATRIX.learner[1], frame - average - count * task);
  return {count, learner, average, width: learner + average + count * task};
}

function showMatrixPager(first, count, all) {
  byId("matrix-pager").hidden = count >= all;
  byId("matrix-page").textContent = `tasks ${first + 1} to ${first + count} of ${all}`;
  byId("matrix-previous").disabled = first === 0;
  byId("matrix-next").disabled = first + count >= all;
}

function matrixLine(line, numbers, bests) {
  const at = new Map(line.own.map((row) => [row.board, row])), rank = line.rank;
  const average = rank === null ? "–" : rank.mean.toFixed(1);
  const range = rank === null ? "" : `${rank.low.toFixed(1)} to ${rank.high.toFixed(1)}, ${several(rank.boards, "task")}`;
  return element("tr", {}, matrixName(line),
    element("td", {class: "average"}, average, element("span", {class: "settings"}, range)),
    ...numbers.map((number) => matrixCell(at.get(number), bests.get(number))));
}

function drawMatrix(list) {
  const all = unique(list.map((row) => row.board)), lines = matrixLines(list);
  byId("overview").hidden = all.length < 2 || lines.length < 2;
  if (byId("overview").hidden) return;
  const {count, learner, average, width} = matrixSize(byId("scroll").clientWidth, all.length);
  matrixPage = Math.max(0, Math.min(matrixPage, Math.ceil(all.length / count) - 1));
  const first = matrixPage * count, numbers = all.slice(first, first + count);
  const bests = new Map([...grouped(list, (row) => row.board)].map(([number, members]) => [number, members
    .reduce((one, other) => goodness(other, other.mean) > goodness(one, one.mean) ? other : one)]));
  const there = lines.filter((line) => line.own.some((row) => numbers.includes(row.board)));
  const shown = there.slice(0, MATRIX.lines), left = there.length - shown.length;
  showMatrixPager(first, numbers.length, all.length);
  byId("matrix-left").textContent = left ? `and ${several(left, "learner")} more: search, or choose a dataset` : "";
  const head = [["Learner", "", learner], ["Average rank", "average", average]].map(([name, kind, size]) => {
    const made = element("th", {scope: "col", class: kind}, name);
    made.style.width = `${size}px`;
    return made;
  });
  byId("matrix").style.width = `${width}px`;
  byId("matrix").replaceChildren(
    element("thead", {}, element("tr", {}, ...head, ...numbers.map((number) => matrixHead(boards[number])))),
    element("tbody", {}, ...shown.map((line) => matrixLine(line, numbers, bests))));
}

function makeMatrixPager() {
  for (const [id, step] of [["matrix-previous", -1], ["matrix-next", 1]]) {
    byId(id).addEventListener("click", () => {
      matrixPage += step;
      drawMatrix(shownRows);
    });
  }
}
