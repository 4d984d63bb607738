// What a mark says: to a mouse that rests on it, to a tap on or near it, and to the keyboard. Of a drawing's marks one is
// reached by Tab, the others from there by arrow keys, Home and End.

const FINGER = 24; // pixels from a tap to the mark that is meant
let pointedAt = null;

function hideTip() {
  pointedAt = null;
  byId("tip").hidden = true;
}

// Beside (x, y); above it where there is no room below.
function showTip(target, x, y, above = y) {
  const tip = byId("tip");
  pointedAt = target;
  tip.hidden = false;
  tip.textContent = target.dataset.tip;
  const below = y + 14 + tip.offsetHeight <= innerHeight - 8;
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, below ? y + 14 : above - 10 - tip.offsetHeight)}px`;
}

function showTipOf(target) {
  const box = target.getBoundingClientRect();
  showTip(target, box.left, box.bottom - 8, box.top);
}

function nearTo(event) {
  const hit = event.target.closest?.("[data-tip]");
  const distance = (one) => {
    const box = one.getBoundingClientRect();
    return Math.hypot(event.clientX - (box.left + box.right) / 2, event.clientY - (box.top + box.bottom) / 2);
  };
  const others = hit ? [] : [...event.target.closest?.("svg")?.querySelectorAll("[data-tip]") ?? []];
  const nearest = others.map((one) => [distance(one), one]).sort(([one], [other]) => one - other)[0];
  return hit ?? (nearest && nearest[0] <= FINGER ? nearest[1] : null);
}

const STEPS = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity};

function moveAmongMarks(event) {
  const from = event.target.closest?.("svg [data-tip]");
  if (!from || !Object.hasOwn(STEPS, event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
  const marks = [...from.closest("svg").querySelectorAll("[data-tip]")];
  const to = marks[Math.max(0, Math.min(marks.length - 1, marks.indexOf(from) + STEPS[event.key]))];
  event.preventDefault();
  from.setAttribute("tabindex", -1);
  to.setAttribute("tabindex", 0);
  to.focus();
}

function makeTips() {
  addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const target = event.target.closest?.("[data-tip]");
    if (target) showTip(target, event.clientX, event.clientY);
    else if (!pointedAt?.matches(":focus-visible")) hideTip();
  });
  addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    const target = nearTo(event);
    if (target) showTip(target, event.clientX, event.clientY);
    else hideTip();
  });
  addEventListener("focusin", (event) => {
    if (event.target.matches?.("svg [data-tip]:focus-visible")) showTipOf(event.target);
  });
  addEventListener("focusout", hideTip);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
    else moveAmongMarks(event);
  });
  addEventListener("scroll", () => {
    if (pointedAt?.matches(":focus-visible")) showTipOf(pointedAt);
    else hideTip();
  }, {passive: true, capture: true});
}
