// The bars of the partitions.

import { count } from "./format.js";

const bars = []; // one for each partition, by its place

// draw shows them, and makes new bars only where their number has changed.
export function draw(list, partitions) {
  while (bars.length > partitions.length) bars.pop().item.remove();
  while (bars.length < partitions.length) bars.push(add(list));
  list.classList.toggle("many", partitions.length > 5);
  partitions.forEach((p, i) => update(bars[i], p));
}

function add(list) {
  const make = (kind, name, parent) => {
    const element = document.createElement(kind);
    if (name) element.className = name;
    parent.append(element);
    return element;
  };
  const item = make("li", "", list);
  const names = make("div", "names", item);
  const name = make("span", "", names);
  const text = make("span", "muted", names);
  const bar = make("div", "bar", item);
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-valuemin", "0");
  return { item, name, text, bar, held: make("i", "held", bar), stored: make("i", "stored", bar), mark: make("i", "mark", bar) };
}

function update(b, p) {
  const total = p.buffered + p.in_flight;
  const room = Math.max(p.capacity, total, 1); // a batch inserted at once may exceed the capacity
  const share = (n) => `${(100 * n) / room}%`;
  b.name.textContent = `Partition ${p.index}`;
  b.text.textContent = `${count(total)} of ${count(p.capacity)}`;
  b.held.style.width = share(p.buffered);
  b.stored.style.width = share(p.in_flight);
  b.mark.style.left = share(Math.min(p.in_flight + p.flush_size, room));
  b.mark.hidden = p.in_flight + p.flush_size >= room;
  b.bar.setAttribute("aria-label", `Partition ${p.index}`);
  b.bar.setAttribute("aria-valuemax", String(room));
  b.bar.setAttribute("aria-valuenow", String(total));
  b.bar.setAttribute("aria-valuetext", `${count(p.buffered)} buffered, ${count(p.in_flight)} being written, of ${count(p.capacity)}`);
}
