"use strict";
const groups = [...document.querySelectorAll(".group")];
let at = -1;
document.addEventListener("focusin", ({ target }) => {
  const within = groups.indexOf(target.closest(".group"));
  if (within >= 0) at = within;
});
const steps = { j: 1, k: -1 };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in steps && groups.length) {
    at = Math.min(groups.length - 1, Math.max(0, at + steps[event.key]));
    groups[at].focus({ preventScroll: true });
    groups[at].scrollIntoView();
  } else if (event.key === "d" && groups[at]) {
    const details = [...groups[at].querySelectorAll("details")];
    const open = !details.every((each) => each.open);
    for (const each of details) each.open = open;
  } else return;
  event.preventDefault();
});
