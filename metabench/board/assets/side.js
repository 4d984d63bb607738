// Two or three rows side by side: what they scored, how they differ on the same tasks, what they cost, how they were set.

const MOST_PICKED = 3;
const picked = []; // numbers of rows, in the order in which they were picked
let pairsOf = null;

const pairKey = (one, two) => `${Math.min(one, two)} ${Math.max(one, two)}`;

// How much the first is above the second; null where the page does not have it.
function difference(first, second) {
  pairsOf ??= new Map(JSON.parse(byId("pairs").textContent).map(([one, two, ...values]) => [pairKey(one, two), values]));
  const found = pairsOf.get(pairKey(first.number, second.number));
  if (!found) return null;
  const [mean, low, high, chance, overSeeds] = found, forward = first.number < second.number;
  return {
    ...(forward ? {mean, low, high} : {mean: -mean, low: -high, high: -low}), chance, over: overSeeds ? "seeds and tasks" : "tasks alone",
  };
}

function pickBox(row) {
  const box = element("input", {type: "checkbox", class: "pick", title: "Side by side", "data-row": row.number, "aria-label": `Side by side: ${nameOf(row)}`});
  box.addEventListener("change", () => {
    if (box.checked) picked.push(row.number);
    else picked.splice(picked.indexOf(row.number), 1);
    showPicked();
    writeAddress();
  });
  return box;
}

// Of lists of names with values a line for each name, in the order in which they come first.
function aligned(lists) {
  const found = lists.map((list) => new Map(list.map(([name, value]) => [name, String(value)])));
  return unique(found.flatMap((values) => [...values.keys()]))
    .map((name) => [name, found.map((values) => values.get(name) ?? "–")]);
}

const signed = (board, value) => `${value < 0 ? "−" : "+"}${figure(board, Math.abs(value))}`;

function differenceLine(first, second) {
  const board = boards[first.board], names = `${nameOf(first)} less ${nameOf(second)}`;
  if (first.board !== second.board) return [names, "on other tasks: these do not compare"];
  const found = difference(first, second);
  if (!found) return [names, "not in this page: they share too few tasks, or the board has too many rows; see metabench compare"];
  const [mean, low, high] = [found.mean, found.low, found.high].map((value) => signed(board, value));
  return [names, `${mean} (${low} to ${high}), p ${found.chance < 0.0001 ? "< 0.0001" : `= ${found.chance}`}, over ${found.over}`];
}

function differencesBlock(chosen) {
  const lines = chosen.flatMap((first, place) => chosen.slice(place + 1).map((second) => differenceLine(first, second)));
  return element("div", {}, element("h3", {}, "Paired differences"), pairs(lines),
    note("The first less the second on the tasks that both have, accuracies in points, with its 95% interval, as metabench compare has it: of each pair alone, "
      + "not corrected for the number of pairs as ranks are."));
}

function sideHead(row) {
  const remove = element("button", {type: "button", "aria-label": `Remove ${nameOf(row)}`}, "×");
  remove.addEventListener("click", () => {
    picked.splice(picked.indexOf(row.number), 1);
    showPicked();
    writeAddress();
  });
  return element("th", {scope: "col"}, key(row), element("strong", {}, row.learner), remove,
    element("span", {class: "settings"}, [row.settings, row.apart].filter(Boolean).join(" ")));
}

function sideTable(chosen) {
  const opened = chosen.map(detailsOf);
  const facts = aligned(chosen.map((row, place) => {
    const board = boards[row.board];
    return [
      ["Dataset and task", titleOf(board)], ["Rank", row.rank ?? "–"], [unit(board), `${figure(board, row.mean)} ${spread(board, row)}`],
      ["Floor", row.floor === null ? "–" : figure(board, row.floor)], ["Seeds", row.seeds],
      ["Transductive", row.transductive ? "yes" : "no"], ["Outside data", row.outside_data ? "yes" : "no"],
      ...factsOf(board, row, opened[place]),
    ];
  }));
  const differing = aligned(opened.map(({options, settings}) => [...options, ...settings])).filter(([, values]) => unique(values).length > 1);
  const line = ([name, values]) => element("tr", {class: unique(values).length > 1 ? "differs" : null},
    element("th", {scope: "row"}, name), ...values.map((value) => element("td", {}, value)));
  const heading = element("tr", {}, element("th", {scope: "rowgroup", colspan: chosen.length + 1, class: "group"},
    differing.length ? "Options that differ" : "No option differs"));
  return element("table", {class: "side"},
    element("thead", {}, element("tr", {}, element("td", {}), ...chosen.map(sideHead))),
    element("tbody", {}, ...facts.map(line)), element("tbody", {}, heading, ...differing.map(line)));
}

function showPicked() {
  const chosen = picked.map((number) => rows[number]), enough = chosen.length > 1;
  for (const box of document.querySelectorAll(".pick")) {
    box.checked = picked.includes(Number(box.dataset.row));
    box.disabled = picked.length >= MOST_PICKED && !box.checked;
  }
  byId("picked").hidden = !chosen.length;
  byId("picked-names").textContent = chosen.map((row) => shorten(nameOf(row), 40)).join(", ");
  byId("picked-show").disabled = !enough;
  byId("side").hidden = !enough;
  byId("side-content").replaceChildren(...(enough ? [differencesBlock(chosen), sideTable(chosen)] : []));
}

function makePicked() {
  byId("picked-show").addEventListener("click", () => {
    byId("side").scrollIntoView();
    byId("side-title").focus({preventScroll: true});
  });
  byId("picked-clear").addEventListener("click", () => {
    picked.length = 0;
    showPicked();
    writeAddress();
  });
}
