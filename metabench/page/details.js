// What a row opens: read from its own line of the second block when it is asked for.

let detailLines = null;
function detailsOf(row) {
  detailLines ??= byId("details").textContent.split("\n");
  return JSON.parse(detailLines[row.number]);
}

const DASHES = ["", "5 3", "2 3", "8 3 2 3"];

function curvePlot(board, runs, stage, column, title, width) {
  const height = 190, box = {left: 44, right: width - 12, top: 24, bottom: height - 42};
  const scale = column === 2 && board.percent ? 100 : 1;
  const lines = runs.map((run) => (run.curves[stage] ?? []).filter((point) => point[column] !== null).map((point) => [point[0], scale * point[column]]));
  const points = lines.flat();
  if (!points.length) return null;
  const range = (place) => [Math.min(...points.map((point) => point[place])), Math.max(...points.map((point) => point[place]))];
  const x = linear(0, range(0)[1], box.left, box.right, Math.max(2, Math.floor(width / 90)), false);
  const y = linear(...range(1), box.bottom, box.top, 4, scale === 100);
  const parts = axes(width, height, box, x, y, "step", title);
  lines.forEach((line, place) => {
    if (!line.length) return;
    const at = line.map(([step, value]) => `${x.scale(step).toFixed(1)},${y.scale(value).toFixed(1)}`).join(" ");
    parts.push(svg("polyline", {points: at, class: "curve", "stroke-dasharray": DASHES[place % DASHES.length] || null}));
    for (const [step, value] of line) parts.push(svg("circle", {cx: x.scale(step), cy: y.scale(value), r: 3, class: "dot", "data-tip": `seed ${runs[place].seed}, step ${step}\n${tickText(Number(value.toPrecision(4)))}`}));
  });
  return drawing(width, height, `${title} against steps`, ...parts);
}

function curves(board, runs, width) {
  const stages = unique(runs.flatMap((run) => Object.keys(run.curves)));
  const made = [];
  for (const stage of stages) {
    const validation = board.percent ? "validation accuracy, %" : "validation error";
    const drawn = [[2, validation], [1, "loss"]].map(([column, title]) => curvePlot(board, runs, stage, column, title, width)).filter(Boolean);
    if (drawn.length) made.push(element("figure", {}, element("figcaption", {}, element("strong", {}, stage)), ...drawn));
  }
  return made.length ? made : [element("p", {class: "note"}, "It was not trained, or its record has no curve.")];
}

function pairs(list, className) {
  const made = element("dl", {class: className});
  for (const [name, value, changed] of list) {
    made.append(element("div", {class: changed ? "changed" : null}, element("dt", {}, name), element("dd", {}, value, changed ? element("span", {class: "tag"}, "not the default") : null)));
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
  const parts = text.split(/(?<= )(?=--)/).flatMap((part) => part.endsWith(" ") ? [element("span", {}, part.slice(0, -1)), " "] : [element("span", {}, part)]);
  return element("code", {}, ...parts);
}

function block(title, ...content) {
  return element("section", {}, element("h3", {}, title), ...content);
}

function runsTable(board, details) {
  const head = element("tr", {}, ...["Run", "Seed", "Test seed", unit(board)].map((name) => element("th", {scope: "col"}, name)));
  const body = details.runs.map((run) => element("tr", {}, element("td", {}, run.id), element("td", {}, String(run.seed)), element("td", {}, String(run.testSeed)),
    element("td", {}, `${figure(board, run.mean)} ± ${figure(board, run.half)}`)));
  return element("div", {class: "scroll"}, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

function detailsPanel(row, width) {
  const board = boards[row.board], details = detailsOf(row), newest = details.runs.at(-1);
  const half = width > 760 ? Math.floor((width - 90) / 2) : width - 36;
  const companions = newest.companions.map(([name, interval, parameters]) => [`its ${name}`, `${interval}, ${parameters.toLocaleString("en")} parameters`, false]);
  const facts = [...companions, ["Images in training", row.images.toLocaleString("en"), false], ...details.facts];
  const dashes = details.runs.length > 1 ? element("p", {class: "note"}, "A line a seed, in the order of the runs: full, dashed, dotted.") : null;
  return element("div", {class: "details"},
    block("Learning curve", dashes, ...curves(board, details.runs, half)),
    block("Configuration", pairs(details.options, "pairs"), element("details", {}, element("summary", {}, "Data, tasks and machine"), pairs(details.settings, "pairs"))),
    block("Runs", runsTable(board, details), details.hidden ? element("p", {class: "note"}, `and ${details.hidden} more`) : null, pairs(facts, "pairs facts")),
    block("Hardest tasks", details.picture
      ? element("img", {src: details.picture, alt: `The test tasks on which ${nameOf(row)} did worst, with its answers: a wrong one is framed in red with a cross and the number of the class it was taken for.`})
      : element("p", {class: "note"}, "There is no picture (hardest.png) beside the record, or the page had no room for more.")),
    element("section", {class: "all"}, element("h3", {}, "Repeat it"),
      details.frozen ? element("p", {class: "note"}, "Its tasks were frozen in a file: add --tasks with that file.") : null,
      details.command ? element("div", {class: "command"}, command(details.command), copyButton(details.command))
        : element("p", {class: "note"}, "The record's settings hold control characters, or are too long; no command is made of them.")));
}
