// Scales from values to pixels, and the axes that tell them.

function niceStep(low, high, count) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
}

function ticksOf(low, high, step) {
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6 && ticks.length < 50; place++) {
    ticks.push(place * step);
  }
  return ticks;
}

const tickText = (value) => Math.abs(value) >= 1e4 ? compact(value) : String(Number(value.toPrecision(6)));

// Its ends are on ticks; for percent never beyond 0 and 100.
function linear(low, high, from, to, count, percent) {
  if (!(high > low)) {
    low -= Math.abs(low) * 0.05 || 1;
    high += Math.abs(high) * 0.05 || 1;
  }
  if (percent) [low, high] = [Math.max(0, low), Math.min(100, high)];
  const step = niceStep(low, high, count);
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  if (percent) high = Math.min(100, high);
  const inside = (value) => Math.min(Math.max(value, low), high);
  const scale = (value) => from + (inside(value) - low) / (high - low || 1) * (to - from);
  return {scale, ticks: ticksOf(low, high, step), low, high};
}

const LEAST = 1e-6; // on a logarithmic scale

function logarithmic(low, high, from, to) {
  const log = (value) => Math.log10(Math.max(value, LEAST));
  const spare = Math.max(0.06 * (log(high) - log(low)), 0.08), first = log(low) - spare, last = log(high) + spare;
  const decades = last - first, factors = decades > 2.5 ? [1] : decades > 1 ? [1, 3] : [1, 2, 3, 5];
  const ticks = [];
  for (let power = Math.floor(first); power <= last; power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (Math.log10(value) >= first && Math.log10(value) <= last) ticks.push(value);
    }
  }
  return {scale: (value) => from + (log(value) - first) / decades * (to - from), ticks};
}

// The logarithmic scale of costs, and left of it the place of those who cost nothing.
function costScale(costs, box) {
  const paid = costs.filter((value) => value > 0), free = paid.length < costs.length;
  const from = free ? box.left + 44 : box.left, nothing = box.left + 16;
  const paying = paid.length ? logarithmic(Math.min(...paid), Math.max(...paid), from, box.right) : {ticks: []};
  return {
    scale: (value) => value > 0 ? paying.scale(value) : nothing,
    ticks: free ? [0, ...paying.ticks] : paying.ticks,
    gap: free && paid.length ? (nothing + from) / 2 : null,
  };
}

// Where the intervals of these rows lie.
function ends(list) {
  return [Math.min(...list.map((row) => row.low)), Math.max(...list.map((row) => row.high))];
}

// The same with their floors, unless those would squeeze the intervals.
function reach(list) {
  const [low, high] = ends(list);
  const floors = list.map((row) => row.floor).filter((floor) => floor !== null);
  const wide = [Math.min(low, ...floors), Math.max(high, ...floors)];
  return wide[1] - wide[0] <= 3 * (high - low) ? wide : [low, high];
}

function grid(x, top, bottom) {
  return x.ticks.flatMap((tick) => [
    svg("line", {x1: x.scale(tick), x2: x.scale(tick), y1: top, y2: bottom, class: "grid"}),
    svg("text", {x: x.scale(tick), y: bottom + 16, "text-anchor": "middle", class: "x tick"}, tickText(tick)),
  ]);
}

// x and y have their scale and ticks, title, and perhaps the text of a tick.
function axes(width, height, box, x, y) {
  const parts = [], xText = x.text ?? tickText;
  for (const tick of y.ticks) {
    const at = y.scale(tick);
    parts.push(svg("line", {x1: box.left, x2: box.right, y1: at, y2: at, class: "grid"}));
    parts.push(svg("text", {x: box.left - 6, y: at + 4, "text-anchor": "end", class: "y tick"}, tickText(tick)));
  }
  for (const tick of x.ticks) {
    const at = x.scale(tick);
    parts.push(svg("line", {x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4, class: "axis"}));
    parts.push(svg("text", {x: at, y: box.bottom + 17, "text-anchor": "middle", class: "x tick"}, xText(tick)));
  }
  parts.push(svg("line", {x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, class: "axis"}));
  const middle = (box.left + box.right) / 2;
  parts.push(svg("text", {x: middle, y: height - 2, "text-anchor": "middle", class: "title"}, x.title));
  parts.push(svg("text", {x: 2, y: 11, class: "title"}, y.title));
  return parts;
}
