// What the page is built with. Text only ever goes in as text.

export const byId = (id) => document.getElementById(id);

// An element with attributes and children (nodes or texts); null and false are left out.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Sets a text only where it changes, so that there is nothing to lay out otherwise.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

// Calls `draw` once in the next animation frame, however often it is asked for.
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

// Calls `work` at once, and then at most every `pause` ms for as long as it is asked for.
export function atMostEvery(pause, work) {
  let waiting = false;
  let asked = false;
  const again = () => {
    waiting = false;
    if (asked) call();
  };
  const call = () => {
    if (waiting) {
      asked = true;
      return;
    }
    waiting = true;
    asked = false;
    work();
    setTimeout(again, pause);
  };
  return call;
}

// Makes the children of `parent` exactly those nodes, in that order. A node that stays in its place keeps its focus.
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
