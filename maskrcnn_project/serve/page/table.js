// The table of measurements: sorted by a press on a column, its rows tied to the instances in the picture.

export class Table {
  // `pointed(index, from)` is called with the number of the instance whose row is pointed at (from "table") or has the
  // focus (from "keys"), or null.
  constructor(head, body, pointed) {
    this.head = head;
    this.body = body;
    this.pointed = pointed;
    this.columns = [];
    this.rows = [];
    this.sorted = null; // {column, falling}
    body.addEventListener("pointerover", (event) => pointed(numberOf(event.target.closest("tr")), "table"));
    body.addEventListener("pointerleave", () => pointed(null, "table"));
    body.addEventListener("focusin", (event) => this.reach(event.target.closest("tr")));
    body.addEventListener("focusout", () => pointed(null, "keys"));
    body.addEventListener("keydown", (event) => this.walk(event));
  }

  // `columns`: [{title, number}]; `rows`: [{instance, cells}], a cell a text, a number or null.
  show(columns, rows, colours) {
    this.colours = colours;
    this.rows = rows;
    if (columns.map((c) => c.title).join() !== this.columns.map((c) => c.title).join()) {
      this.columns = columns;
      this.drawHead();
    }
    this.drawRows();
  }

  highlight(index) {
    for (const row of this.body.rows) row.classList.toggle("lit", numberOf(row) === index);
  }

  // Brings the row of an instance into the sight of the table's own window, without moving the page.
  reveal(index) {
    const row = [...this.body.rows].find((r) => numberOf(r) === index);
    const room = this.body.closest(".wide");
    if (!row) return;
    const above = room.scrollTop + this.head.offsetHeight - row.offsetTop;
    const below = row.offsetTop + row.offsetHeight - room.scrollTop - room.clientHeight;
    if (above > 0) room.scrollTop -= above;
    else if (below > 0) room.scrollTop += below;
  }

  drawHead() {
    const row = document.createElement("tr");
    this.columns.forEach((column, index) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.classList.toggle("number", column.number);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => {
        const again = this.sorted && this.sorted.column === index;
        this.sorted = { column: index, falling: again ? !this.sorted.falling : column.number };
        this.drawRows();
      });
      cell.append(button);
      row.append(cell);
    });
    this.head.replaceChildren(row);
  }

  drawRows() {
    const rows = [...this.rows];
    if (this.sorted) {
      const { column, falling } = this.sorted;
      rows.sort((a, b) => (falling ? -1 : 1) * order(a.cells[column], b.cells[column]));
    }
    [...this.head.querySelectorAll("th")].forEach((cell, index) => {
      if (this.sorted && this.sorted.column === index) {
        cell.setAttribute("aria-sort", this.sorted.falling ? "descending" : "ascending");
      } else cell.removeAttribute("aria-sort");
    });
    const focused = this.body.contains(document.activeElement) ? numberOf(document.activeElement.closest("tr")) : null;
    this.body.replaceChildren(...rows.map((row, place) => this.drawRow(row, place === 0)));
    if (focused !== null) [...this.body.rows].find((r) => numberOf(r) === focused)?.focus({ preventScroll: true });
  }

  drawRow({ instance, cells }, first) {
    const row = document.createElement("tr");
    row.dataset.instance = instance;
    row.tabIndex = first ? 0 : -1; // one stop of the tab key; the arrows go on from there
    cells.forEach((value, index) => {
      const cell = document.createElement("td");
      cell.classList.toggle("number", this.columns[index].number);
      if (index === 0) {
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.backgroundColor = this.colours(instance);
        cell.append(swatch);
      }
      cell.append(value === null ? "–" : String(value));
      row.append(cell);
    });
    return row;
  }

  reach(row) {
    for (const other of this.body.rows) other.tabIndex = other === row ? 0 : -1;
    this.pointed(numberOf(row), "keys");
  }

  walk(event) {
    const row = event.target.closest("tr");
    const goal = {
      ArrowDown: row?.nextElementSibling,
      ArrowUp: row?.previousElementSibling,
      Home: this.body.firstElementChild,
      End: this.body.lastElementChild,
    }[event.key];
    if (!goal) return;
    event.preventDefault();
    goal.focus();
  }
}

function numberOf(row) {
  return row ? Number(row.dataset.instance) : null;
}

function order(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b));
}
