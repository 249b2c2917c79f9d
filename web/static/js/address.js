// What is asked, shown and opened, as an address.

import { ROOT } from "./dom.js";

/** The state that the address of this page names: { q, all, sort, upload, picture }. */
export function readAddress() {
  const given = new URLSearchParams(location.search);
  return {
    q: given.get("q")?.trim() ?? "",
    all: given.get("all") === "1",
    sort: ["newest", "oldest", "name"].includes(given.get("sort")) ? given.get("sort") : "best",
    upload: given.get("upload"),
    picture: Number(given.get("picture")) || null,
  };
}

/** The address of a state. */
export function address({ q, all, sort, upload, picture }) {
  const given = new URLSearchParams();
  if (q) given.set("q", q);
  if (all) given.set("all", "1");
  if (sort && sort !== "best" && !upload) given.set("sort", sort);
  if (upload) given.set("upload", upload);
  if (picture) given.set("picture", picture);
  const text = given.toString();
  return text ? `${ROOT}/?${text}` : `${ROOT}/`;
}

/** What names a search, whatever picture is open over it. */
export const keyOf = ({ q, all, sort, upload }) => address({ q, all, sort, upload });
