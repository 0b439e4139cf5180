// Lists of elements that follow lists of things. All text is set as text: nothing that a user named becomes markup.

/** A copy of what a template of the page holds. */
export function copy(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

/** Writes texts into the fields of an element: its own, or those of its descendants. */
export function fill(element, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const field = element.querySelector(`[data-field="${name}"]`);
    if (field.textContent !== text) field.textContent = text;
  }
}

/** Keeps one element of a parent for each thing, told apart by a key, in the order of the things. */
export class Rows {
  #parent;
  #template;
  #kept = new Map();

  constructor(parent, template) {
    this.#parent = document.getElementById(parent);
    this.#template = template;
  }

  /** update(element, thing, state): state is an object of its own for each element, empty at first. */
  show(things, key, update) {
    const kept = new Map();
    let before = null;
    for (const thing of things) {
      const id = key(thing);
      const row = this.#kept.get(id) ?? { element: copy(this.#template), state: {} };
      kept.set(id, row);
      update(row.element, thing, row.state);
      // Only what is not in its place is moved: moving takes the focus away.
      const place = before ? before.nextElementSibling : this.#parent.firstElementChild;
      if (place !== row.element) this.#parent.insertBefore(row.element, place);
      before = row.element;
    }
    for (const [id, row] of this.#kept) if (kept.get(id) !== row) row.element.remove();
    this.#kept = kept;
    const empty = document.querySelector(`[data-for="${this.#parent.id}"]`);
    if (empty) empty.hidden = things.length > 0;
  }
}
