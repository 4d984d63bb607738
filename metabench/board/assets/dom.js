"use strict";
// Small helpers: elements, whose text is written as text and never as markup, and values for people.

const byId = (id) => document.getElementById(id);
const several = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const unique = (values) => [...new Set(values)];
const shorten = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;

// Lists of the items that have the same key, in the order in which keys come first.
function grouped(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

// To a paper or to code; text alone where there is no address.
function link(url, text) {
  return url ? element("a", {href: url, target: "_blank", rel: "noopener noreferrer"}, text) : element("span", {}, text);
}

const note = (text) => element("p", {class: "note"}, text);

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A value of the board's metric, with as many digits as in the table.
function figure(board, value) {
  return Math.abs(value) >= 1e6 ? value.toExponential(2) : value.toFixed(board.digits);
}

// "± 0.27", or where the interval is not symmetric, as near 100%, "−0.31 +0.24".
function spread(board, {mean, low, high, half}) {
  const arms = [Math.max(0, mean - low), Math.max(0, high - mean)];
  const alike = Math.abs(arms[0] - arms[1]) < Math.max(1.5 * 10 ** -board.digits, 1e-6 * half); // but for rounding
  return alike ? `± ${figure(board, half)}` : `−${figure(board, arms[0])} +${figure(board, arms[1])}`;
}

function compact(value) {
  if (value >= 1e15) return value.toExponential(1);
  if (value >= 1e4) return new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 1}).format(value);
  return value.toLocaleString("en", {maximumFractionDigits: value < 100 ? 1 : 0});
}

const unit = (board) => board.percent ? `${board.metric}, %` : board.metric;

function taskOf(board) {
  let numbers = null; // where tasks vary there are none
  if (board.ways !== null) numbers = board.regression ? `${board.shots} shots` : `${board.ways}-way ${board.shots}-shot`;
  return [numbers, board.task].filter(Boolean).join(", ");
}
