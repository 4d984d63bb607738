// Marks in the colours of the theme. A learner has a colour and a shape, so that either alone tells it; beyond the shapes
// it has a number in a circle. Of its lines (settings, training data, origin) one is filled, the others are hollow,
// each with a letter.

const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "down", "cross", "star"];
const MOST_NAMED = 24; // in a legend

// From 0: a, b, … z, aa, ab, …
function letters(place) {
  return (place >= 26 ? letters(Math.floor(place / 26) - 1) : "") + String.fromCharCode(97 + place % 26);
}

// The line that is filled: the learner as it comes, if it is there.
function plainLine(members) {
  const plain = members.filter((row) => !row.settings);
  return (plain.find((row) => row.rank !== null) ?? plain[0] ?? members[0]).line;
}

function looksOfLines() {
  const looks = new Map(), learners = [...grouped(rows, (row) => row.learner)];
  learners.sort(([one, first], [other, second]) => second.length - first.length || (one < other ? -1 : 1));
  learners.forEach(([, members], place) => {
    const shaped = place < SHAPES.length, plain = plainLine(members);
    const look = {
      series: shaped ? `s${place}` : "s-rest",
      shape: shaped ? SHAPES[place] : "circle",
      number: shaped ? "" : String(place + 1),
    };
    const others = unique(members.map((row) => row.line)).filter((line) => line !== plain);
    looks.set(plain, {...look, letter: ""});
    others.forEach((line, variant) => looks.set(line, {...look, letter: letters(variant)}));
  });
  return looks;
}

const looks = looksOfLines();
const look = (row) => looks.get(row.line);

const joined = (points, r) => `M${points.map(([x, y]) => `${(x * r).toFixed(2)},${(y * r).toFixed(2)}`).join("L")}z`;
const turned = (points) => points.map(([x, y]) => [(x - y) / Math.SQRT2, (x + y) / Math.SQRT2]);
const PLUS = [
  [-0.33, -1], [0.33, -1], [0.33, -0.33], [1, -0.33], [1, 0.33], [0.33, 0.33],
  [0.33, 1], [-0.33, 1], [-0.33, 0.33], [-1, 0.33], [-1, -0.33], [-0.33, -0.33],
];
const OUTLINES = {
  square: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
  triangle: [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]],
  down: [[0, 1.2], [1.15, -0.9], [-1.15, -0.9]],
  diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  plus: PLUS,
  cross: turned(PLUS),
  star: [[0, -1.4], [0.4, -0.4], [1.4, 0], [0.4, 0.4], [0, 1.4], [-0.4, 0.4], [-1.4, 0], [-0.4, -0.4]],
};

function mark(row, x, y) {
  const {series, shape, number, letter} = look(row), r = number ? 7 : 4.5;
  const at = `translate(${x.toFixed(2)},${y.toFixed(2)})`;
  return svg("g", {class: `mark ${series}${letter ? " hollow" : ""}`, transform: at},
    shape === "circle" ? svg("circle", {r}) : svg("path", {d: joined(OUTLINES[shape], r)}),
    number ? svg("text", {y: 3, "text-anchor": "middle", class: "number"}, number) : null,
    letter ? svg("text", {x: r + 2, y: -1.5, class: "letter"}, letter) : null);
}

// The mark of a row beside its name; the name says what the mark is.
function key(row) {
  const {letter} = look(row), width = letter ? 18 + 6 * letter.length : 17;
  return svg("svg", {width, height: 16, class: "key", "aria-hidden": "true"}, mark(row, 8, 8));
}

function legend(list) {
  const items = list.slice(0, MOST_NAMED).map((row) => element("li", {}, key(row), shorten(nameOf(row), 60)));
  if (list.length > MOST_NAMED) {
    items.push(element("li", {}, `and ${list.length - MOST_NAMED} more: each mark says its name when it is pointed at`));
  }
  return element("ul", {class: "legend"}, ...items);
}

function whisker(row, x1, x2, y1, y2, kind = "") {
  return svg("line", {x1, x2, y1, y2, class: `whisker ${look(row).series} ${kind}`.trim()});
}

// An interval along x, so drawn that the narrowest shows: a bar from end to end, behind it the mean as a thin, taller tick.
function interval(row, scale, y) {
  const mean = scale(row.mean);
  return [whisker(row, mean, mean, y - 7, y + 7, "mean"), whisker(row, scale(row.low), scale(row.high), y, y, "band")];
}

const onScale = (row, {low, high}) => row.floor !== null && row.floor >= low && row.floor <= high;

function floorTick(x1, x2, y1, y2) {
  return svg("line", {x1, x2, y1, y2, class: "floor"});
}

// The floors that a plot's scale does not reach, in words.
function floorsBeyond(board, list, scale) {
  const beyond = list.filter((row) => row.floor !== null && !onScale(row, scale)).map((row) => row.floor);
  if (!beyond.length) return null;
  const [least, most] = [Math.min(...beyond), Math.max(...beyond)].map((floor) => figure(board, floor));
  return least === most ? `floor ${least}, beyond the scale` : `floors ${least} to ${most}, beyond the scale`;
}

// What a mark says when it is pointed at, tapped or reached by keyboard (see tips.js).
function tipped(tip, ...children) {
  const spoken = tip.replaceAll("\n", ", ");
  return svg("g", {class: "tipped", "data-tip": tip, role: "img", "aria-label": spoken, tabindex: -1}, ...children);
}

function tipOf(row) {
  const board = boards[row.board];
  const rank = row.rank === null ? "not ranked" : `rank ${row.rank}`;
  return [
    nameOf(row),
    `${figure(board, row.mean)} ${spread(board, row)}${board.percent ? " %" : ""}, ${rank}`,
    `95% interval ${figure(board, row.low)} to ${figure(board, row.high)}, over ${row.over}`,
    row.floor === null ? "" : `floor ${figure(board, row.floor)}`,
    `${board.dataset}, ${taskOf(board)}`,
  ].filter(Boolean).join("\n");
}
