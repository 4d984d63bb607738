// What a row opens: read from its own line of the second block when it is asked for.

let detailLines = null;
function detailsOf(row) {
  detailLines ??= byId("details").textContent.split("\n");
  const details = JSON.parse(detailLines[row.number]);
  for (const run of details.runs) run.curves = new Map(run.curves); // a stage may have any name
  return details;
}

const DASHES = ["", "5 3", "2 3", "8 3 2 3"];

function curvePlot(board, runs, stage, column, title, width) {
  const height = 190, box = {left: 44, right: width - 12, top: 24, bottom: height - 42};
  const percent = column === 2 && board.percent, scale = percent ? 100 : 1;
  const lines = runs.map((run) => (run.curves.get(stage) ?? []).filter((point) => point[column] !== null)
    .map((point) => [point[0], scale * point[column]]));
  const steps = lines.flat().map(([step]) => step), values = lines.flat().map(([, value]) => value);
  if (!steps.length) return null;
  const last = Math.max(...steps), count = Math.max(2, Math.floor(width / 90));
  const x = {...linear(Math.min(0, ...steps), last, box.left, box.right, count, false), title: "step"};
  const y = {...linear(Math.min(...values), Math.max(...values), box.bottom, box.top, 4, percent), title};
  const drawn = lines.flatMap((line, place) => (
    line.length ? curve(line, runs[place].seed, DASHES[place % DASHES.length], x, y) : []
  ));
  return drawing(width, height, `${title} against steps`, ...axes(width, height, box, x, y), ...drawn);
}

function curve(line, seed, dashes, x, y) {
  const points = line.map(([step, value]) => `${x.scale(step).toFixed(1)},${y.scale(value).toFixed(1)}`).join(" ");
  return [
    svg("polyline", {points, class: "curve", "stroke-dasharray": dashes || null}),
    ...line.map(([step, value]) => tipped(`seed ${seed}, step ${step}\n${tickText(Number(value.toPrecision(4)))}`,
      svg("circle", {cx: x.scale(step), cy: y.scale(value), r: 3, class: "dot"}))),
  ];
}

function curves(board, runs, width) {
  const columns = [[2, board.percent ? "validation accuracy, %" : "validation error"], [1, "loss"]];
  const made = [];
  for (const stage of unique(runs.flatMap((run) => [...run.curves.keys()]))) {
    const drawn = columns.map(([column, title]) => curvePlot(board, runs, stage, column, title, width)).filter(Boolean);
    if (drawn.length) made.push(panel(stage, [], ...drawn));
  }
  return made.length ? made : [note("It was not trained, or its record has no curve.")];
}

function pairs(list, className = "pairs") {
  const made = element("dl", {class: className});
  for (const [name, value, changed] of list) {
    const tag = changed ? element("span", {class: "tag"}, "not the default") : null;
    made.append(element("div", {class: changed ? "changed" : null}, element("dt", {}, name), element("dd", {}, value, tag)));
  }
  return made;
}

function copyButton(text) {
  const button = element("button", {type: "button"}, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Selected: copy it";
    }
  });
  return button;
}

// An option and its value stay on one line; spans change nothing of what is copied.
function command(text) {
  const parts = text.split(/(?<= )(?=--)/).flatMap((part) => (
    part.endsWith(" ") ? [element("span", {}, part.slice(0, -1)), " "] : [element("span", {}, part)]
  ));
  return element("code", {}, ...parts);
}

function block(title, ...content) {
  return element("section", {}, element("h3", {}, title), ...content);
}

function runsTable(board, details) {
  const heads = ["Run", "Seed", "Test seed", unit(board)].map((name) => element("th", {scope: "col"}, name));
  const body = details.runs.map((run) => {
    const cells = [run.id, run.seed, run.testSeed, `${figure(board, run.mean)} ${spread(board, run)}`];
    return element("tr", {}, ...cells.map((cell) => element("td", {}, String(cell))));
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body));
  return element("div", {class: "scroll"}, table);
}

function factsOf(board, row, details) {
  const companions = details.runs.at(-1).companions.map(([name, score, parameters]) => (
    [`its ${name}`, `${score}, ${parameters.toLocaleString("en")} parameters`]
  ));
  const known = [
    [`95% interval over ${row.over}`, `${figure(board, row.low)} to ${figure(board, row.high)}`],
    row.tasks[0] === null ? null
      : ["95% interval over tasks alone", row.tasks.map((value) => figure(board, value)).join(" to ")],
    row.over_classes === null ? null
      : ["95% interval over test classes", `${figure(board, row.mean)} ± ${figure(board, row.over_classes)}`],
    ...companions,
    ["Test tasks", row.episodes.toLocaleString("en")],
    ["Parameters", row.parameters.toLocaleString("en")],
    ["Images in training", row.images.toLocaleString("en")],
    row.processor_seconds === null ? null : ["Training, processor time", `${inTable(row.processor_seconds)} s`],
    ["Training, by the clock", `${inTable(row.training_seconds)} s`],
    row.task_multiply_adds === null ? null : ["Multiply-adds of a task", compact(row.task_multiply_adds)],
    ["Time for a task", `${inTable(row.task_milliseconds)} ms`],
  ];
  return [...known.filter(Boolean), ...details.facts];
}

const share = (value) => value === undefined ? "" : `${(100 * value).toFixed(1)}%`;

// A text: the direction of each is its own, and its spans are marked with what they are.
function words(pieces) {
  return element("bdi", {}, ...pieces.map(({text, labels}) => (
    labels?.length ? element("mark", {}, text, element("span", {class: "label"}, ` ${labels.join(" ")}`)) : text
  )));
}

// A class of a task: its first support, and its queries that were predicted wrong.
function classOf(shown) {
  const wrong = shown.queries.filter((query) => query.right === false);
  const right = shown.queries.length - wrong.length, more = shown.more_queries ?? 0;
  const first = shown.support.slice(0, SUPPORT).flatMap((text, place) => place ? [" · ", words(text)] : [words(text)]);
  const left = shown.support.length > SUPPORT || shown.more_support;
  const support = element("li", {class: "support"}, "support: ", ...first, left ? " …" : null);
  const queries = wrong.map((query) => element("li", {},
    element("span", {class: "sign", role: "img", "aria-label": "wrong"}, "✗ "),
    ...(query.prediction === undefined ? [] : [element("bdi", {class: "taken"}, query.prediction), ` ${share(query.confidence)} `]),
    words(query.text), ...(query.missed ? [element("br"), "missed ", words(query.missed)] : [])));
  const rest = element("li", {class: "rest"}, !shown.queries.length ? "no queries" : `${wrong.length} of ${wrong.length + right} queries wrong${more ? `, ${more} more` : ""}`);
  return element("section", {}, element("h5", {}, element("bdi", {}, shown.name)), element("ul", {}, support, ...queries, rest));
}

function taskOfTexts(task, place) {
  const more = task.more_classes ? [note(`and ${task.more_classes} more classes`)] : [];
  return element("details", {class: "episode", open: place === 0},
    element("summary", {}, element("bdi", {}, task.title)), element("div", {class: "classes"}, ...task.classes.map(classOf)), ...more);
}

const SUPPORT = 3; // texts of a class that a task shows

function hardest(row, {picture, tasks}) {
  if (tasks.length) return element("div", {class: "texts"}, ...tasks.map(taskOfTexts));
  if (!picture) return note("There are no hardest tasks (hardest.png, hardest.html) beside the record, or the page had no room for more.");
  return element("img", {src: picture, alt: `The test tasks on which ${nameOf(row)} did worst, with its predictions: a wrong `
    + "one is framed in red with a cross and the number of the class it was taken for."});
}

function repeat(details) {
  const asked = details.command
    ? element("div", {class: "command"}, command(details.command), copyButton(details.command))
    : note("The record's settings hold control characters, or are too long; no command is made of them.");
  return element("section", {class: "all"}, element("h3", {}, "Repeat it"),
    details.frozen ? note("Its tasks were frozen in a file: add --tasks with that file.") : null, asked);
}

function detailsPanel(row, width) {
  const board = boards[row.board], details = detailsOf(row);
  const half = width > 760 ? Math.floor((width - 90) / 2) : width - 36;
  return element("div", {class: "details"},
    block("Learning curve",
      details.runs.length > 1 ? note("A line per seed, in the order of the runs: full, dashed, dotted.") : null,
      ...curves(board, details.runs, half)),
    block("Configuration", pairs(details.options),
      element("details", {}, element("summary", {}, "Data, tasks and machine"), pairs(details.settings))),
    block("Runs", runsTable(board, details), details.hidden ? note(`and ${details.hidden} more`) : null,
      pairs(factsOf(board, row, details), "pairs facts")),
    element("section", {class: details.tasks.length ? "all" : null}, element("h3", {}, "Hardest tasks"), hardest(row, details)),
    sourceBlock(row.learner),
    repeat(details));
}
