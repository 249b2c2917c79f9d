// What to do when the server does not answer: ask again on request, by itself when the network or the server is back.

import { ROOT } from "./dom.js";

const PAUSES = [1, 2, 4, 8, 15]; // seconds between two knocks, the last again and again

/** Call `act` as soon as the server answers again; `problem` is what went wrong. Only for a server that was not reached
 * or has too much to do. Returns what calls it off. */
export function whenBack(problem, act) {
  if (problem.status && problem.status !== 503) return () => {};
  let knocks = 0;
  let timer = null;
  let over = false;
  const stop = () => {
    over = true;
    clearTimeout(timer);
    removeEventListener("online", knock);
    document.removeEventListener("visibilitychange", seen);
  };
  const later = () => {
    timer = setTimeout(knock, 1000 * PAUSES[Math.min(knocks, PAUSES.length - 1)]);
    knocks += 1;
  };
  async function knock() {
    clearTimeout(timer);
    if (over || document.hidden) return; // `seen` knocks when somebody looks again
    const there = await fetch(`${ROOT}/healthz`, { cache: "no-store" }).then((answer) => answer.ok, () => false);
    if (over) return;
    if (!there) return later();
    stop();
    act();
  }
  const seen = () => document.hidden || knock();
  addEventListener("online", knock);
  document.addEventListener("visibilitychange", seen);
  later();
  return stop;
}

/**
 * An event source that comes back: browsers give up for good where a proxy answers in place of the server. `heard` has a
 * function for each kind of event, which gets its data; `lost(true | false)` is told when the connection breaks and
 * when it is there again. Returns what ends it.
 */
export function follow(address, heard, lost = () => {}) {
  let source = null;
  let waiting = () => {};
  const open = () => {
    source = new EventSource(address);
    source.addEventListener("open", () => lost(false));
    for (const [kind, hear] of Object.entries(heard)) source.addEventListener(kind, (event) => hear(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      source.close();
      lost(true);
      waiting = whenBack({ status: 0 }, open);
    });
  };
  open();
  return () => {
    waiting();
    source.close();
  };
}
