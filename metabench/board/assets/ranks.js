// Demšar's diagram (2006): the best on the left; a bar joins learners closer than the critical difference.

const RANKS = {top: 52, line: 22, bar: 8};

function ranksDiagram(width) {
  if (!averageRanks) return note("Average ranks need five datasets on which two learners meet.");
  const {names, ranks, boards: shared, datasets, critical_difference: critical} = averageRanks;
  const margin = Math.min(280, width * 0.36), bars = joinedByBars(ranks, critical);
  // Whole ranks about those shown.
  const first = Math.floor(ranks[0]), last = Math.ceil(Math.max(ranks.at(-1), first + critical));
  const x = (rank) => margin + (rank - first) / (last - first) * (width - 2 * margin);
  const below = RANKS.top + 12 + bars.length * RANKS.bar, height = below + Math.ceil(ranks.length / 2) * RANKS.line + 16;
  const bar = ([from, to], place) => {
    const y = RANKS.top + (place + 1) * RANKS.bar;
    return svg("line", {x1: x(ranks[from]) - 4, x2: x(ranks[to]) + 4, y1: y, y2: y, class: "clique"});
  };
  return panel(several(names.length, "learner"),
    [
      `over the ${shared} tasks of ${datasets} datasets that they share`,
      bars.length ? "those joined by a bar do not differ significantly (Nemenyi, 5%)" : null,
    ],
    drawing(width, height, `Average ranks: ${names.map((name, place) => `${name} ${ranks[place]}`).join(", ")}`,
      ...ranksAxis(x, first, last, critical),
      ...names.map((name, place) => rankLabel(place, x, {width, margin, below})),
      ...bars.map(bar)));
}

// The longest runs of learners, of whom the first and the last do not differ significantly.
function joinedByBars(ranks, critical) {
  const bars = [];
  for (let from = 0; from < ranks.length; from++) {
    let to = from;
    while (to + 1 < ranks.length && ranks[to + 1] - ranks[from] < critical) to++;
    if (to > from && !bars.some(([, end]) => end >= to)) bars.push([from, to]);
  }
  return bars;
}

function ranksAxis(x, first, last, critical) {
  const top = RANKS.top, title = `average rank, 1 is best; critical difference ${critical.toFixed(2)}`;
  const ticks = ticksOf(first, last, Math.max(1, niceStep(first, last, 8)));
  return [
    svg("line", {x1: x(first), x2: x(last), y1: top, y2: top, class: "axis"}),
    ...ticks.flatMap((rank) => [
      svg("line", {x1: x(rank), x2: x(rank), y1: top - 5, y2: top, class: "axis"}),
      svg("text", {x: x(rank), y: top - 9, "text-anchor": "middle"}, String(rank)),
    ]),
    svg("text", {x: 2, y: 11, class: "title"}, title),
    svg("path", {d: `M${x(first)},20v6H${x(first + critical)}v-6`, class: "clique"}),
  ];
}

// The better half is named on the left, the best on top, the others on the right, the worst on top.
function rankLabel(place, x, {width, margin, below}) {
  const {names, ranks} = averageRanks, onLeft = place < Math.ceil(names.length / 2);
  const y = below + (onLeft ? place : names.length - 1 - place) * RANKS.line + 10;
  const edge = onLeft ? margin - 14 : width - margin + 14, most = Math.max(6, Math.floor((margin - 60) / 6.5));
  const text = `${shorten(names[place], most)}  ${ranks[place].toFixed(2)}`;
  return tipped(`${names[place]}\naverage rank ${ranks[place]}`,
    svg("polyline", {points: `${x(ranks[place])},${RANKS.top} ${x(ranks[place])},${y} ${edge},${y}`, class: "leader"}),
    svg("text", {x: edge + (onLeft ? -5 : 5), y: y + 4, "text-anchor": onLeft ? "end" : "start", class: "label"}, text));
}
