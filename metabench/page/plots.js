// Plots as SVG in the colours of the theme. A learner has a colour and a shape, so that either alone tells it;
// a learner's other settings are hollow and dashed.

const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "down", "cross", "star"];
const MOST = {rows: 16, lines: 8, points: 60, panels: 12};
const learnersByUse = (() => {
  const uses = new Map();
  for (const row of rows) uses.set(row.learner, (uses.get(row.learner) ?? 0) + 1);
  return [...uses.keys()].sort((one, other) => uses.get(other) - uses.get(one) || (one < other ? -1 : 1));
})();
const filledSettings = new Map(); // of each learner: its defaults, or what it was first seen with
for (const row of rows) {
  if (!row.settings || !filledSettings.has(row.learner)) filledSettings.set(row.learner, row.settings);
}

function look(row) {
  const place = learnersByUse.indexOf(row.learner);
  return {
    series: place < SHAPES.length ? `s${place}` : "s-rest",
    shape: SHAPES[place % SHAPES.length],
    hollow: filledSettings.get(row.learner) !== row.settings,
  };
}

function mark(row, x, y, tip = null, size = 4.5) {
  const {series, shape, hollow} = look(row), r = size;
  const paths = {
    square: `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
    triangle: `M0,${-1.2 * r}L${1.15 * r},${0.9 * r}H${-1.15 * r}z`,
    down: `M0,${1.2 * r}L${1.15 * r},${-0.9 * r}H${-1.15 * r}z`,
    diamond: `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0z`,
    plus: `M${-r / 3},${-r}h${r / 1.5}v${r / 1.5}h${r / 1.5}v${r / 1.5}h${-r / 1.5}v${r / 1.5}h${-r / 1.5}v${-r / 1.5}h${-r / 1.5}v${-r / 1.5}h${r / 1.5}z`,
    cross: `M${-r},${-0.5 * r}l${0.5 * r},${-0.5 * r}l${0.5 * r},${0.5 * r}l${0.5 * r},${-0.5 * r}l${0.5 * r},${0.5 * r}l${-0.5 * r},${0.5 * r}l${0.5 * r},${0.5 * r}l${-0.5 * r},${0.5 * r}l${-0.5 * r},${-0.5 * r}l${-0.5 * r},${0.5 * r}l${-0.5 * r},${-0.5 * r}l${0.5 * r},${-0.5 * r}z`,
    star: `M0,${-1.4 * r}L${0.4 * r},${-0.4 * r}L${1.4 * r},0L${0.4 * r},${0.4 * r}L0,${1.4 * r}L${-0.4 * r},${0.4 * r}L${-1.4 * r},0L${-0.4 * r},${-0.4 * r}z`,
  };
  const drawn = shape === "circle" ? svg("circle", {r}) : svg("path", {d: paths[shape]});
  return svg("g", {class: `mark ${series}${hollow ? " hollow" : ""}`, transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, "data-tip": tip}, drawn);
}

function niceStep(low, high, count) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
}

function ticksOf(low, high, step) {
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6 && ticks.length < 50; place++) ticks.push(place * step);
  return ticks;
}

const tickText = (value) => Math.abs(value) >= 1e4 ? compact(value) : String(Number(value.toPrecision(6)));

// A scale from figures to pixels, its ends on ticks; for percent never beyond 0 and 100.
function linear(low, high, from, to, count, percent) {
  if (!(high > low)) { low -= Math.abs(low) * 0.05 || 1; high += Math.abs(high) * 0.05 || 1; }
  if (percent) { low = Math.max(0, low); high = Math.min(100, high); }
  const step = niceStep(low, high, count);
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  if (percent) high = Math.min(100, high);
  const ticks = ticksOf(low, high, step);
  const scale = (value) => from + (Math.min(Math.max(value, low), high) - low) / (high - low || 1) * (to - from);
  return {scale, ticks, low, high};
}

function logarithmic(low, high, from, to) {
  low = Math.log10(Math.max(low, 1e-6)); high = Math.log10(Math.max(high, 1e-6));
  const spare = Math.max(0.06 * (high - low), 0.08);
  low -= spare; high += spare;
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const factor of high - low > 2.5 ? [1] : high - low > 1 ? [1, 3] : [1, 2, 3, 5]) {
      const value = factor * 10 ** power;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
    }
  }
  return {scale: (value) => from + (Math.log10(Math.max(value, 1e-6)) - low) / (high - low) * (to - from), ticks};
}

const tipOf = (row) => {
  const board = boards[row.board];
  return `${nameOf(row)}\n${figure(board, row.mean)} ± ${figure(board, row.half)}${board.percent ? " %" : ""}, ${row.rank === null ? row.origin : `rank ${row.rank}`}\n${board.dataset}, ${taskOf(board)}`;
};

function panel(title, note, drawing, legend = null) {
  return element("figure", {}, element("figcaption", {}, element("strong", {}, title), note ? element("span", {}, note) : null), drawing, legend);
}

function legend(list) {
  const items = list.map((row) => element("li", {}, svg("svg", {width: 16, height: 14, "aria-hidden": "true"}, mark(row, 8, 7)), shorten(nameOf(row), 60)));
  return element("ul", {class: "legend"}, ...items);
}

function whisker(x1, x2, y1, y2, row) {
  return svg("line", {x1, x2, y1, y2, class: `whisker ${look(row).series}`});
}

function axes(width, height, box, x, y, xTitle, yTitle, xText = tickText) {
  const parts = [];
  for (const tick of y.ticks) {
    parts.push(svg("line", {x1: box.left, x2: box.right, y1: y.scale(tick), y2: y.scale(tick), class: "grid"}));
    parts.push(svg("text", {x: box.left - 6, y: y.scale(tick) + 4, "text-anchor": "end"}, tickText(tick)));
  }
  for (const tick of x.ticks) {
    parts.push(svg("line", {x1: x.scale(tick), x2: x.scale(tick), y1: box.bottom, y2: box.bottom + 4, class: "axis"}));
    parts.push(svg("text", {x: x.scale(tick), y: box.bottom + 17, "text-anchor": "middle"}, xText(tick)));
  }
  parts.push(svg("line", {x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, class: "axis"}));
  parts.push(svg("text", {x: (box.left + box.right) / 2, y: height - 2, "text-anchor": "middle", class: "title"}, xTitle));
  parts.push(svg("text", {x: 2, y: 11, class: "title"}, yTitle));
  return parts;
}

function drawing(width, height, label, ...parts) {
  return svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label}, ...parts);
}

const reach = (list) => [Math.min(...list.map((row) => row.mean - row.half)), Math.max(...list.map((row) => row.mean + row.half))];

function boardsOf(list) {
  const groups = new Map();
  for (const row of list) {
    if (!groups.has(row.board)) groups.set(row.board, []);
    groups.get(row.board).push(row);
  }
  return [...groups.entries()].map(([number, members]) => [boards[number], members]);
}

// Interval plots: one panel a board, the best on top.
function intervalPanel(board, members, width) {
  const shown = members.slice(0, MOST.rows), line = 33, height = shown.length * line + 44;
  const x = linear(...reach(shown), 14, width - 14, Math.max(3, Math.floor(width / 90)), board.percent);
  const parts = [];
  for (const tick of x.ticks) {
    parts.push(svg("line", {x1: x.scale(tick), x2: x.scale(tick), y1: 4, y2: height - 36, class: "grid"}));
    parts.push(svg("text", {x: x.scale(tick), y: height - 20, "text-anchor": "middle"}, tickText(tick)));
  }
  parts.push(svg("text", {x: width / 2, y: height - 3, "text-anchor": "middle", class: "title"}, unit(board) + (board.moreIsBetter ? "" : ": less is better")));
  shown.forEach((row, place) => {
    const y = place * line + 25, [from, to] = [x.scale(row.mean - row.half), x.scale(row.mean + row.half)];
    const text = `${row.rank ?? "–"}  ${shorten(nameOf(row), Math.floor(width / 8) - 14)}`;
    parts.push(svg("text", {x: 0, y: y - 9, class: "label halo"}, text));
    parts.push(svg("text", {x: width, y: y - 9, class: "value halo", "text-anchor": "end"}, `${figure(board, row.mean)} ± ${figure(board, row.half)}`));
    parts.push(whisker(from, to, y, y, row), whisker(from, from, y - 4, y + 4, row), whisker(to, to, y - 4, y + 4, row));
    parts.push(mark(row, x.scale(row.mean), y, tipOf(row)));
  });
  const note = members.length > shown.length ? `the best ${shown.length} of ${members.length}` : null;
  return panel(`${board.dataset}, ${taskOf(board)}`, note, drawing(width, height, `95% intervals on ${board.dataset}, ${taskOf(board)}`, ...parts));
}

// Boards that differ in nothing but their shots.
function shotFamilies(list) {
  const families = new Map();
  for (const row of list) {
    const board = boards[row.board];
    const key = JSON.stringify([board.dataset, board.split, board.ways, board.queries, board.task, board.test_fingerprint, board.measure]);
    if (!families.has(key)) families.set(key, []);
    families.get(key).push(row);
  }
  return [...families.values()].filter((members) => unique(members.map((row) => boards[row.board].shots)).length > 1);
}

const bestRank = (line) => Math.min(...line.map((row) => row.rank ?? Infinity));

function shotsPanel(members, width) {
  const height = 290, box = {left: 44, right: width - 14, top: 24, bottom: height - 44};
  const lines = new Map();
  for (const row of members) {
    if (!lines.has(nameOf(row))) lines.set(nameOf(row), []);
    lines.get(nameOf(row)).push(row);
  }
  const ordered = [...lines.values()].sort((one, other) => other.length - one.length || bestRank(one) - bestRank(other));
  const shown = ordered.slice(0, MOST.lines).map((line) => line.sort((one, other) => boards[one.board].shots - boards[other.board].shots));
  const all = shown.flat(), board = boards[all[0].board];
  const shots = unique(all.map((row) => boards[row.board].shots)).sort((one, other) => one - other);
  const x = {...logarithmic(Math.max(shots[0], 0.5), shots.at(-1), box.left, box.right), ticks: shots};
  const y = linear(...reach(all), box.bottom, box.top, 5, board.percent);
  const parts = axes(width, height, box, x, y, board.regression ? "known points" : "shots (labelled images a class)", unit(board));
  shown.forEach((line, place) => {
    const nudge = (place - (shown.length - 1) / 2) * 3;
    const at = line.map((row) => [x.scale(boards[row.board].shots) + nudge, y.scale(row.mean), row]);
    const {series, hollow} = look(line[0]);
    parts.push(svg("polyline", {points: at.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" "), class: `line ${series}${hollow ? " dashed" : ""}`}));
    for (const [px, py, row] of at) parts.push(whisker(px, px, y.scale(row.mean - row.half), y.scale(row.mean + row.half), row), mark(row, px, py, tipOf(row)));
  });
  const note = ordered.length > shown.length ? `${shown.length} of ${ordered.length} learners` : null;
  const title = board.regression ? board.dataset : `${board.dataset}, ${board.ways}-way${board.task ? ", " + board.task : ""}`;
  return panel(title, note, drawing(width, height, `${board.measure} against shots on ${title}`, ...parts), legend(shown.map((line) => line[0])));
}

const COSTS = {training_seconds: "training, seconds", parameters: "parameters", task_milliseconds: "milliseconds a task"};

function costPanel(board, members, cost, width) {
  const height = 290, box = {left: 44, right: width - 14, top: 24, bottom: height - 44};
  const shown = members.filter((row) => row[cost] > 0).slice(0, MOST.points);
  if (!shown.length) return null;
  const x = logarithmic(Math.min(...shown.map((row) => row[cost])), Math.max(...shown.map((row) => row[cost])), box.left, box.right);
  const y = linear(...reach(shown), box.bottom, box.top, 5, board.percent);
  const parts = axes(width, height, box, x, y, COSTS[cost], unit(board), compact);
  const frontier = [];
  for (const row of [...shown].sort((one, other) => one[cost] - other[cost])) {
    const best = frontier.at(-1);
    if (!best || (board.moreIsBetter ? row.mean > best.mean : row.mean < best.mean)) frontier.push(row);
  }
  const path = frontier.map((row, place) => place ? `H${x.scale(row[cost]).toFixed(1)}V${y.scale(row.mean).toFixed(1)}` : `M${x.scale(row[cost]).toFixed(1)},${y.scale(row.mean).toFixed(1)}`).join("");
  parts.push(svg("path", {d: `${path}H${box.right}`, class: "frontier"}));
  for (const row of shown) {
    const px = x.scale(row[cost]);
    parts.push(whisker(px, px, y.scale(row.mean - row.half), y.scale(row.mean + row.half), row));
    parts.push(mark(row, px, y.scale(row.mean), `${tipOf(row)}\n${COSTS[cost]}: ${compact(row[cost])}`));
  }
  const note = members.length > shown.length ? `${shown.length} of ${members.length}` : null;
  return panel(`${board.dataset}, ${taskOf(board)}`, note, drawing(width, height, `${board.measure} against ${COSTS[cost]} on ${board.dataset}`, ...parts),
    legend(shown.length > MOST.lines ? firstOfEachLearner(shown) : shown));
}

function firstOfEachLearner(list) {
  return learnersByUse.slice(0, SHAPES.length).map((name) => list.find((row) => row.learner === name)).filter(Boolean);
}

// Demšar's diagram (2006): the best on the left; a bar joins learners closer than the critical difference.
function ranksDiagram(width) {
  if (!averageRanks) return element("p", {class: "note"}, "Average ranks need two datasets on which two learners meet.");
  const {names, ranks, critical_difference: critical} = averageRanks, count = names.length;
  const left = Math.ceil(count / 2), top = 52, line = 22;
  const margin = Math.min(280, width * 0.36), chars = Math.max(6, Math.floor((margin - 60) / 6.5));
  const first = Math.floor(ranks[0]), last = Math.ceil(Math.max(ranks[count - 1], first + critical)); // whole ranks about those shown
  const x = (rank) => margin + (rank - first) / (last - first) * (width - 2 * margin);
  const bars = [];
  for (let from = 0; from < count; from++) {
    let to = from;
    while (to + 1 < count && ranks[to + 1] - ranks[from] < critical) to++;
    if (to > from && !bars.some(([, end]) => end >= to)) bars.push([from, to]);
  }
  const below = top + 12 + bars.length * 8, height = below + left * line + 16, parts = [];
  parts.push(svg("line", {x1: x(first), x2: x(last), y1: top, y2: top, class: "axis"}));
  for (const rank of ticksOf(first, last, Math.max(1, niceStep(first, last, 8)))) {
    parts.push(svg("line", {x1: x(rank), x2: x(rank), y1: top - 5, y2: top, class: "axis"}), svg("text", {x: x(rank), y: top - 9, "text-anchor": "middle"}, String(rank)));
  }
  parts.push(svg("text", {x: 2, y: 11, class: "title"}, `average rank, 1 is best; critical difference ${critical.toFixed(2)}`));
  parts.push(svg("path", {d: `M${x(first)},20v6H${x(first + critical)}v-6`, class: "clique"}));
  for (let place = 0; place < count; place++) {
    const onLeft = place < left, y = below + (onLeft ? place : count - 1 - place) * line + 10, edge = onLeft ? margin - 14 : width - margin + 14;
    parts.push(svg("polyline", {points: `${x(ranks[place])},${top} ${x(ranks[place])},${y} ${edge},${y}`, class: "leader"}));
    parts.push(svg("text", {x: onLeft ? edge - 5 : edge + 5, y: y + 4, "text-anchor": onLeft ? "end" : "start", class: "label", "data-tip": `${names[place]}\naverage rank ${ranks[place]}`},
      `${shorten(names[place], chars)}  ${ranks[place].toFixed(2)}`));
  }
  bars.forEach(([from, to], place) => parts.push(svg("line", {x1: x(ranks[from]) - 4, x2: x(ranks[to]) + 4, y1: top + 8 + place * 8, y2: top + 8 + place * 8, class: "clique"})));
  const note = `over the ${averageRanks.boards} tasks of ${averageRanks.datasets} datasets that they share` + (bars.length ? "; those joined by a bar are not told apart (Nemenyi, 5%)" : "");
  return panel(several(count, "learner"), note, drawing(width, height, `Average ranks: ${names.map((name, place) => `${name} ${ranks[place]}`).join(", ")}`, ...parts));
}

function panelWidth(holder) {
  const style = getComputedStyle(holder), columns = style.gridTemplateColumns.split(" ");
  return Math.max(240, Math.floor(parseFloat(columns[0]) || holder.clientWidth || 320) - 34);
}

function fillPlots(id, made, otherwise) {
  const drawn = made.filter(Boolean);
  byId(id).replaceChildren(...(drawn.length ? drawn : [element("p", {class: "note"}, otherwise)]));
}

function drawPlots(list) {
  const groups = boardsOf(list), first = groups.slice(0, MOST.panels), families = shotFamilies(list);
  const more = (count) => count > MOST.panels ? [element("p", {class: "note"}, `${count - MOST.panels} more: choose a dataset, ways or shots.`)] : [];
  const width = panelWidth(byId("intervals"));
  fillPlots("intervals", [...first.map(([board, members]) => intervalPanel(board, members, width)), ...(groups.length ? more(groups.length) : [])], "No row is left.");
  fillPlots("against-shots", [...families.slice(0, MOST.panels).map((members) => shotsPanel(members, width)), ...(families.length ? more(families.length) : [])],
    "Needs results at two numbers of shots, alike in all else.");
  fillPlots("against-cost", [...first.map(([board, members]) => costPanel(board, members, byId("cost").value, width)), ...(groups.length ? more(groups.length) : [])], "No row is left.");
  byId("average-ranks").replaceChildren(ranksDiagram(Math.min(820, panelWidth(byId("average-ranks")))));
}
