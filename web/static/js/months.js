// Where each month and each picture stands when squares are laid out month by month. All by sums, so a million pictures cost nothing.

export const HEADING = 52; // px, css/timeline.css

const NAMES = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });

/** "July 2019"; the year alone where no month is known; "Without a date". */
export function monthName({ year, month }) {
  if (!year) return "Without a date";
  return month ? NAMES.format(new Date(Date.UTC(year, month - 1, 1)).setUTCFullYear(year)) : String(year);
}

export class Months {
  /** `counts`: [[year, month, pictures], ...] in their order. */
  constructor(counts) {
    let first = 0;
    this.all = counts.map(([year, month, count]) => {
      const made = { year, month, count, first, top: 0, rows: 0 };
      first += count;
      return made;
    });
    this.total = first;
    this.height = 0;
  }

  /** Lay them out in squares for a width in pixels. */
  fit(width, narrow) {
    const [least, gap] = narrow ? [104, 3] : [164, 6];
    this.columns = Math.max(3, Math.floor((width + gap) / (least + gap)));
    this.gap = gap;
    this.cell = (width - gap * (this.columns - 1)) / this.columns;
    this.row = this.cell + gap;
    let top = 0;
    for (const month of this.all) {
      month.top = top;
      month.rows = Math.ceil(month.count / this.columns);
      top += HEADING + month.rows * this.row;
    }
    this.height = top;
  }

  /** The place in `all` of the month at a height. */
  at(y) {
    return last(this.all, (month) => month.top <= y);
  }

  /** The place in `all` of the month of a picture's number. */
  of(index) {
    return last(this.all, (month) => month.first <= index);
  }

  /** { x, y } of a picture's number. */
  place(index) {
    const month = this.all[this.of(index)];
    const inside = index - month.first;
    return { x: (inside % this.columns) * this.row, y: month.top + HEADING + Math.floor(inside / this.columns) * this.row };
  }

  /** [{ month, from, to }]: months between two heights, and the numbers of their pictures there. */
  between(top, bottom) {
    const found = [];
    for (let at = this.at(Math.max(0, top)); at < this.all.length && this.all[at].top < bottom; at += 1) {
      const month = this.all[at];
      const begin = month.top + HEADING;
      const from = Math.max(0, Math.floor((top - begin) / this.row)) * this.columns;
      const to = Math.max(0, Math.ceil((bottom - begin) / this.row)) * this.columns;
      found.push({ month, from: month.first + Math.min(from, month.count), to: month.first + Math.min(to, month.count) });
    }
    return found;
  }

  /** The number of the picture a row further, up (-1) or down (1), or null. */
  stepped(index, way) {
    const at = this.of(index);
    const month = this.all[at];
    const column = (index - month.first) % this.columns;
    const row = Math.floor((index - month.first) / this.columns) + way;
    if (row >= 0 && row < month.rows) return month.first + Math.min(row * this.columns + column, month.count - 1);
    const other = this.all[at + way];
    if (!other) return null;
    return other.first + Math.min((way > 0 ? 0 : other.rows - 1) * this.columns + column, other.count - 1);
  }
}

/** The last place that fits, by halving; 0 if none does. */
function last(list, fits) {
  let low = 0;
  let high = list.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(list[middle])) low = middle;
    else high = middle;
  }
  return low;
}
