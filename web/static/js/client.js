// The API. Every error is a Problem: what went wrong, and what mends it.

import { ROOT, sentence } from "./dom.js";

export const API = `${ROOT}/api/v1`;

export class Problem extends Error {
  constructor({ title = "Something went wrong", detail = "", hint = "", status = 0 } = {}) {
    super(sentence(plain(status === 400 ? detail.replace(ABOUT, COMPARED) : detail)) || title);
    Object.assign(this, { title, hint: sentence(plain(hint)), status });
  }
}

/** What went wrong and what mends it, as sentences. */
export const inSentences = ({ message, hint }) => [message, hint].filter(Boolean).map((part) => part.replace(/[^.?!]$/, "$&.")).join(" ");

const ABOUT = /^the library holds no picture with the id \d+$/;
const COMPARED = "The picture that this compares with is not in the library any more";

/** A sentence without what is of use at a terminal alone. */
function plain(text) {
  return text.split("; ").filter((part) => !/`|\bimgsearch [a-z]|(^|\s)--?[a-z]/.test(part)).join("; ");
}

export const csrf = () => document.querySelector('meta[name="csrf-token"]').content;

/** JSON of an API path. Throws Problem; an AbortError where `signal` was used. */
export async function ask(path, { query = {}, ...options } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const search = new URLSearchParams(given).toString();
  let response;
  try {
    response = await fetch(`${API}${path}${search ? `?${search}` : ""}`, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    throw away(error);
  }
  if (response.status === 401) location.assign(`${ROOT}/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const told = await response.json().catch((error) => {
    if (response.ok && response.status !== 204) throw away(error);
    return {};
  });
  if (!response.ok) throw new Problem({ status: response.status, ...told });
  return told;
}

/** What a request without an answer is told as: it was called off, or broke off, or something else answered. */
function away(error) {
  if (error.name === "AbortError") return error;
  if (error.name === "SyntaxError") return new Problem({ status: 502, detail: "Something else answered in place of the server.", hint: "A proxy or a login may stand between: load the page again." });
  return new Problem({ title: "The server does not answer", detail: "The server does not answer.", hint: "It may have stopped, or the network is gone." });
}

/** A change: carries the page's token. */
export function change(path, method, body) {
  const headers = { "X-CSRF-Token": csrf(), "Content-Type": "application/json" };
  return ask(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

/** Search with a picture. */
export function askWithPicture(picture, fields, signal) {
  const form = new FormData();
  form.append("image", picture, picture.name || "picture");
  for (const [name, value] of Object.entries(fields)) if (value) form.append(name, value);
  return ask("/search", { method: "POST", body: form, signal, headers: { "X-CSRF-Token": csrf() } });
}

/**
 * The answer by vectors alone as soon as it is known, then the answer after ITM: calls `first(answer)`, `last(answer)`
 * or `failed(problem)`. A stream that cannot be had (too many are open) becomes one plain request. Returns what stops it.
 */
export function streamSearch(query, { first, last, failed }) {
  const waiting = new AbortController();
  const source = new EventSource(`${API}/search/stream?${new URLSearchParams(query)}`);
  const stop = () => {
    source.close();
    waiting.abort();
  };
  source.addEventListener("itc", (event) => first(JSON.parse(event.data)));
  source.addEventListener("itm", (event) => {
    source.close();
    last(JSON.parse(event.data));
  });
  source.addEventListener("problem", (event) => {
    source.close();
    failed(new Problem(JSON.parse(event.data)));
  });
  source.addEventListener("error", () => {
    source.close(); // a browser would ask again and again
    ask("/search", { query, signal: waiting.signal }).then(last, (problem) => problem.name === "AbortError" || failed(problem));
  });
  return stop;
}

export const askAlternatives = (q) => ask("/alternatives", { query: { q } });
export const pictureOf = (id, q = "", signal = undefined) => ask(`/pictures/${id}`, { query: { q }, signal });
export const matchOf = (id, q, signal) => ask(`/pictures/${id}/match`, { query: { q }, signal });
export const textOf = (id, q, signal) => ask(`/pictures/${id}/text`, { query: { q }, signal });
export const large = (hit) => `${hit.thumbnail}?size=large`;
export const srcset = ({ thumbnail }) => `${thumbnail} 320w, ${thumbnail}?size=medium 640w`;
export const smallOf = (id) => `${API}/pictures/${id}/thumbnail`;
export const full = (id) => `${API}/pictures/${id}/full`;
export const original = (id, download = false) => `${API}/pictures/${id}/original${download ? "?download=1" : ""}`;
