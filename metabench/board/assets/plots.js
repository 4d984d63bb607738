// Plots as SVG: intervals, accuracy against shots and against cost; a panel for each board or family of boards.

const MOST = {rows: 16, lines: 8, points: 60, panels: 12};
const COSTS = {
  processor_seconds: "training, seconds of processor time", images: "images seen in training",
  task_multiply_adds: "multiply-adds of a task", parameters: "parameters",
};

// One stop of the Tab key a drawing: from its first mark, arrow keys lead to the others.
function drawing(width, height, label, ...parts) {
  const made = svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, "aria-label": label}, ...parts);
  const first = made.querySelector("[data-tip]");
  made.setAttribute("role", first ? "group" : "img");
  first?.setAttribute("tabindex", 0);
  return made;
}

function panel(title, notes, ...content) {
  const said = notes.filter(Boolean).join("; ");
  const caption = element("figcaption", {}, element("strong", {}, title), said ? element("span", {}, said) : null);
  return element("figure", {}, caption, ...content);
}

const titleOf = (board) => `${board.dataset}, ${taskOf(board)}`;

// Interval plots: one panel a board, the best on top.
function intervalPanel(board, members, width) {
  const shown = members.slice(0, MOST.rows), line = 33, bottom = shown.length * line + 8;
  const count = Math.max(3, Math.floor(width / 90));
  const {low, high} = linear(...reach(shown), 0, 1, count, board.percent);
  const [below, above] = [(row) => row.floor < low, (row) => row.floor > high]
    .map((beyond) => shown.some((row) => row.floor !== null && beyond(row)));
  const x = linear(...reach(shown), below ? 66 : 14, width - (above ? 66 : 14), count, board.percent);
  const title = unit(board) + (board.moreIsBetter ? "" : ": less is better");
  const entries = shown.map((row, place) => intervalEntry(board, row, x, place * line + 25, width));
  const text = svg("text", {x: width / 2, y: bottom + 33, "text-anchor": "middle", class: "title"}, title);
  return panel(titleOf(board), [members.length > shown.length ? `the best ${shown.length} of ${members.length}` : null],
    drawing(width, bottom + 36, `95% intervals on ${titleOf(board)}`, ...grid(x, 4, bottom), text, ...entries));
}

function intervalEntry(board, row, x, y, width) {
  const score = `${figure(board, row.mean)} ${spread(board, row)}`;
  const room = Math.max(6, Math.floor((width - 6.5 * score.length) / 7) - 6); // in letters
  const label = `${row.rank ?? "–"}  ${shorten(nameOf(row), room)}`;
  return tipped(tipOf(row),
    svg("rect", {x: 0, y: y - 22, width, height: 33, class: "hit"}),
    mark(row, 6, y - 13),
    svg("text", {x: 24, y: y - 9, class: "label halo"}, label),
    svg("text", {x: width, y: y - 9, class: "value halo", "text-anchor": "end"}, score),
    ...interval(row, x.scale, y),
    floorOf(board, row, x, y, width));
}

// A tick where the scale reaches the floor; else its figure at the edge that it lies beyond.
function floorOf(board, row, x, y, width) {
  if (row.floor === null) return null;
  if (onScale(row, x)) return floorTick(x.scale(row.floor), x.scale(row.floor), y - 5, y + 5);
  const below = row.floor < x.low, text = figure(board, row.floor);
  return svg("text", {x: below ? 0 : width, y: y + 5, "text-anchor": below ? "start" : "end", class: "floor beyond"},
    below ? `◂ ${text}` : `${text} ▸`);
}

// Boards that differ in nothing but their shots.
function shotFamilies(list) {
  const families = grouped(list, (row) => {
    const board = boards[row.board];
    return JSON.stringify([
      board.dataset, board.split, board.ways, board.queries, board.task, board.test_fingerprint, board.metric,
    ]);
  });
  return [...families.values()].filter((members) => unique(members.map(shotsOf)).length > 1);
}

const shotsOf = (row) => boards[row.board].shots;
const bestRank = (line) => Math.min(...line.map((row) => row.best ?? Infinity));

function shotsPanel(members, width) {
  const height = 290, box = {left: 44, right: width - 14, top: 24, bottom: height - 44};
  const lines = [...grouped(members, (row) => row.line).values()];
  lines.sort((one, other) => other.length - one.length || bestRank(one) - bestRank(other));
  const shown = lines.slice(0, MOST.lines).map((line) => line.sort((one, other) => shotsOf(one) - shotsOf(other)));
  const all = shown.flat(), board = boards[all[0].board];
  const shots = unique(all.map(shotsOf)).sort((one, other) => one - other);
  const x = {
    ...logarithmic(Math.max(shots[0], 0.5), shots.at(-1), box.left, box.right), ticks: shots,
    title: board.regression ? "known points" : "shots (labelled images per class)",
  };
  const y = {...linear(...reach(all), box.bottom, box.top, 5, board.percent), title: unit(board)};
  const drawn = shown.flatMap((line, place) => shotsLine(line, x, y, (place - (shown.length - 1) / 2) * 3));
  const ways = board.regression ? null : `${board.ways}-way`;
  const title = [board.dataset, ways, board.task].filter(Boolean).join(", ");
  const left = lines.length > shown.length ? `${shown.length} of ${several(lines.length, "line")}` : null;
  return panel(title, [left, floorsBeyond(board, all, y)],
    drawing(width, height, `${board.metric} against shots on ${title}`, ...axes(width, height, box, x, y), ...drawn),
    legend(shown.map((line) => line[0])));
}

// Lines are nudged apart, so that whiskers at the same shots do not cover each other.
function shotsLine(line, x, y, nudge) {
  const at = line.map((row) => [x.scale(shotsOf(row)) + nudge, row]), {series, letter} = look(line[0]);
  const points = at.map(([px, row]) => `${px.toFixed(1)},${y.scale(row.mean).toFixed(1)}`).join(" ");
  return [
    svg("polyline", {points, class: `line ${series}${letter ? " dashed" : ""}`}),
    ...at.map(([px, row]) => tipped(tipOf(row), ...upright(row, px, y))),
  ];
}

// An interval along y, with the mark at its mean and the floor below.
function upright(row, px, y) {
  const floor = y.scale(row.floor ?? 0);
  return [
    onScale(row, y) ? floorTick(px - 7, px + 7, floor, floor) : null,
    whisker(row, px, px, y.scale(row.low), y.scale(row.high)),
    mark(row, px, y.scale(row.mean)),
  ];
}

function costPanel(board, members, cost, width) {
  const height = 290, box = {left: 44, right: width - 14, top: 24, bottom: height - 44};
  const known = members.filter((row) => row[cost] !== null), unknown = members.length - known.length;
  if (!known.length) return panel(titleOf(board), [], note("No record here says what this cost."));
  const shown = known.slice(0, MOST.points), cheapFirst = [...shown].sort((one, other) => one[cost] - other[cost]);
  const x = {...costScale(shown.map((row) => row[cost]), box), title: COSTS[cost], text: compact};
  const y = {...linear(...reach(shown), box.bottom, box.top, 5, board.percent), title: unit(board)};
  const points = cheapFirst.map((row) => (
    tipped(`${tipOf(row)}\n${COSTS[cost]}: ${compact(row[cost])}`, ...upright(row, x.scale(row[cost]), y))
  ));
  const gap = svg("text", {x: x.gap, y: box.bottom + 5, "text-anchor": "middle", class: "gap"}, "//");
  return panel(titleOf(board),
    [
      known.length > shown.length ? `${shown.length} of ${known.length}` : null,
      unknown ? `${several(unknown, "row")} without it` : null,
      x.ticks[0] === 0 ? "who costs nothing stands at 0, beside the logarithmic scale" : null,
      floorsBeyond(board, shown, y),
    ],
    drawing(width, height, `${board.metric} against ${COSTS[cost]} on ${titleOf(board)}`,
      ...axes(width, height, box, x, y), x.gap === null ? null : gap,
      frontier(board, cheapFirst, cost, x, y, box), ...points),
    legend(shown));
}

// The best that each cost buys, as a line of steps.
function frontier(board, cheapFirst, cost, x, y, box) {
  const best = [];
  for (const row of cheapFirst) {
    const last = best.at(-1);
    if (!last || (board.moreIsBetter ? row.mean > last.mean : row.mean < last.mean)) best.push(row);
  }
  const steps = best.map((row, place) => {
    const px = x.scale(row[cost]).toFixed(2), py = y.scale(row.mean).toFixed(2);
    return place ? `H${px}V${py}` : `M${px},${py}`;
  });
  return svg("path", {d: `${steps.join("")}H${box.right}`, class: "frontier"});
}

function panelWidth(holder) {
  const columns = getComputedStyle(holder).gridTemplateColumns.split(" ");
  return Math.max(240, Math.floor(parseFloat(columns[0]) || holder.clientWidth || 320) - 34);
}

function fillPlots(id, groups, draw, otherwise) {
  const drawn = groups.slice(0, MOST.panels).map(draw), left = groups.length - drawn.length;
  if (left) drawn.push(note(`${left} more: choose a dataset, ways or shots.`));
  byId(id).replaceChildren(...(drawn.length ? drawn : [note(otherwise)]));
}

function drawPlots(list) {
  const perBoard = [...grouped(list, (row) => row.board)].map(([number, members]) => [boards[number], members]);
  const width = panelWidth(byId("intervals")), cost = byId("cost").value;
  hideTip();
  fillPlots("intervals", perBoard, ([board, members]) => intervalPanel(board, members, width), "No row is left.");
  fillPlots("against-shots", shotFamilies(list), (members) => shotsPanel(members, width),
    "Needs results at two numbers of shots, alike in all else.");
  fillPlots("against-cost", perBoard, ([board, members]) => costPanel(board, members, cost, width), "No row is left.");
  byId("average-ranks").replaceChildren(ranksDiagram(Math.min(820, panelWidth(byId("average-ranks")))));
}
