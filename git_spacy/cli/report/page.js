"use strict";
// Everything is read from the page itself, and written as text: nothing here builds markup.
(() => {
  const openTarget = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.matches("details")) target.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  const table = document.querySelector("#runs table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const byNumber = new Map(rows.map((row) => [row.id.slice(1), row]));
  const heads = [...table.tHead.rows[0].cells];
  const marks = [...document.querySelectorAll("[data-r]")];
  const count = document.querySelector("#count");
  const search = document.querySelector("#search");
  const command = document.querySelector("#command");
  const state = document.querySelector("#state");

  // Sort

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.s ?? cell.textContent;
  };
  const order = new Intl.Collator("en", { numeric: true }).compare;

  const sortBy = (column) => {
    const head = heads[column];
    const isNumber = head.classList.contains("n");
    const before = head.ariaSort;
    const first = isNumber ? "descending" : "ascending";
    const other = isNumber ? "ascending" : "descending";
    for (const one of heads) if (one.hasAttribute("aria-sort")) one.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", before === first ? other : first);
    const sign = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const keys = new Map(rows.map((row) => [row, key(row, column)]));
    rows.sort((a, b) => {
      const [left, right] = [keys.get(a), keys.get(b)];
      if (left === "" || right === "") return (left === "") - (right === ""); // without a value: last
      return sign * (isNumber ? left - right : order(left, right));
    });
    body.append(...rows);
    showRows();
  };
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => sortBy(column));
  });

  // Filter

  // Most rows of a long table are hidden at first: laying out all of them takes a second.
  const more = document.querySelector("#more");
  let limit = 100;
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const isWanted = (row, words) =>
    words.every((word) => texts.get(row).includes(word)) &&
    (!command.value || row.cells[1].textContent === command.selectedOptions[0].textContent) &&
    (!state.value || row.dataset.k === state.value);
  const showRows = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(rows.filter((row) => isWanted(row, words)));
    const shown = new Set([...wanted].slice(0, limit));
    for (const row of rows) row.hidden = !shown.has(row);
    return wanted;
  };
  const applyFilter = () => {
    const wanted = showRows();
    for (const mark of marks) {
      mark.classList.toggle("off", !wanted.has(byNumber.get(mark.dataset.r)));
    }
    count.textContent = `${wanted.size} of ${rows.length} runs`;
    more.textContent = `Show ${wanted.size - limit} more`;
    more.style.visibility = wanted.size > limit ? "visible" : "hidden";
  };
  more.addEventListener("click", () => {
    limit = Infinity;
    applyFilter();
    table.parentNode.focus();
  });
  for (const field of [search, command, state]) field.addEventListener("input", applyFilter);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.form.addEventListener("reset", () => setTimeout(applyFilter));
  applyFilter();

  // Point at a run in a chart

  const tip = document.querySelector("#tip");
  const describe = (mark) => {
    const row = byNumber.get(mark.dataset.r);
    const parts = mark.dataset.v ? [mark.dataset.v] : [];
    heads.forEach((head, column) => {
      const text = row?.cells[column].textContent.trim();
      if (text && "t" in head.dataset) parts.push(`${head.textContent.trim()}: ${text}`);
    });
    return parts.join("\n");
  };
  let current = null;
  const leave = () => {
    current?.classList.remove("at");
    current = null;
    tip.classList.remove("shown");
  };
  const point = (mark, x, y) => {
    if (mark !== current) {
      leave();
      current = mark;
      mark.classList.add("at");
      if (mark.parentNode.matches(".parallel")) mark.parentNode.append(mark); // above the others
      tip.textContent = describe(mark);
    }
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 4))}px`;
    tip.style.top = `${Math.max(4, y + 14 + box.height > innerHeight ? y - box.height - 14 : y + 14)}px`;
    tip.classList.add("shown");
  };
  const jump = (mark) => {
    const row = byNumber.get(mark.dataset.r);
    if (!row) return;
    row.hidden = false;
    leave();
    location.hash = row.id;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  };

  const heightAt = (line, x) => {
    const points = line.points;
    for (let end = 1; end < points.numberOfItems; end++) {
      const [a, b] = [points.getItem(end - 1), points.getItem(end)];
      if (x <= b.x) return a.y + ((b.y - a.y) * Math.max(0, x - a.x)) / (b.x - a.x);
    }
    return points.getItem(points.numberOfItems - 1).y;
  };
  const nearest = (drawing, own, event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      drawing.getScreenCTM().inverse());
    const distance = (mark) => mark.points
      ? Math.abs(heightAt(mark, place.x) - place.y)
      : Math.hypot(mark.cx.baseVal.value - place.x, (mark.cy.baseVal.value - place.y) / 4);
    let best = null;
    for (const mark of own) {
      if (mark.classList.contains("off")) continue;
      const far = distance(mark);
      if (!best || far < best.far) best = { mark, far };
    }
    return best && best.far < 24 ? best.mark : null;
  };
  for (const drawing of document.querySelectorAll("svg.chart, svg.parallel")) {
    const own = [...drawing.querySelectorAll("[data-r]")];
    drawing.addEventListener("pointermove", (event) => {
      const mark = nearest(drawing, own, event);
      if (mark) point(mark, event.clientX, event.clientY);
      else leave();
    });
    drawing.addEventListener("pointerleave", leave);
    drawing.addEventListener("blur", leave);
    drawing.addEventListener("click", () => current && jump(current));
    drawing.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (event.key === "Enter" && current) jump(current);
      else if (event.key === "Escape") leave();
      if (!move) return;
      event.preventDefault();
      const seen = own.filter((mark) => !mark.classList.contains("off"));
      if (!seen.length) return;
      const at = seen.indexOf(current);
      const next = at < 0 ? (move > 0 ? 0 : seen.length - 1) : at + move;
      const mark = seen[Math.max(0, Math.min(next, seen.length - 1))];
      const box = mark.getBoundingClientRect();
      point(mark, box.right, box.top);
    });
  }
  addEventListener("scroll", leave, { passive: true });
})();
